import { expect, test } from 'vitest'
import { runCell } from '../chaos/cell.js'

/** The short form of `npm run chaos`: workers are killed while models change. */
test.each(['at-least-once', 'exactly-once'] as const)(
  '%s: workers are killed while the model changes, and everything is as the logs say',
  { timeout: 240_000 },
  async (delivery) => {
    const { wrong, records, faults, duplicates } = await runCell({
      name: 'kill and switch',
      delivery,
      faults: ['kill', 'switch', 'switch'],
      seed: 11,
      workers: 2,
      recordsPerSecond: 1_000,
      minRecords: 5_000,
      minFaults: 3,
      pauseMs: 500,
      onProgress: () => undefined,
    })
    expect(wrong).toEqual([])
    expect(records).toBeGreaterThanOrEqual(5_000)
    expect(faults).toBeGreaterThanOrEqual(3)
    if (delivery === 'exactly-once') expect(duplicates).toBe(0)
  },
)
