/** A shadow where the deadline has a fallback: what the candidate is compared with, and what it is not. */
import { from, lastValueFrom, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { fallBack } from '../../stages/fall-back.js'
import { infer } from '../../stages/infer.js'
import { createLeases } from '../../stages/leases.js'
import { missed } from '../../stages/missed.js'
import type { Generation, ShadowComparison } from '../../stages/ports.js'
import { shadow } from '../../stages/shadow.js'
import { createTurns } from '../../stages/turns.js'
import { withMissed } from '../../stages/with-missed.js'
import { decoded, decoder, echoScores, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

const now = 10_000
const candidate = generation(5)
const main: Generation = { ...generation(4), shadow: candidate }
/** It says of every record what neither of the others says. */
const fast: Generation = {
  ...generation(4, (rows) => ({ ...echoScores(rows), labels: Array(rows.count).fill('fast') })),
  model: 'fast@1',
  standsInFor: main,
}

/** The first `late` records of a part are too late for the model, and not for the fallback. */
const partOf = (partition: number, records: readonly number[], late: number) => {
  const all = Array.from({ length: late }, (_, index) => [index, missed('admission', now + 50, now + 55)] as const)
  return withMissed(decoded(fetched(partition, records[0]!, records), main), new Map(all))
}

test('of a batch that a model and its fallback share, the candidate is compared with the model, and never with the fallback', async () => {
  const leases = createLeases()
  const comparisons: ShadowComparison[] = []
  const skipped: number[] = []
  const batches = [
    microBatchOf(partOf(0, [0, 1, 2, 3], 2), partOf(1, [10, 11], 0)),
    microBatchOf(partOf(0, [4, 5, 6], 3)),
  ]
  for (const { parts } of batches) for (const part of parts) leases.retain(part.generation)
  const costs = () => ({ likelyMs: () => 1, mostMs: () => 1, afterMs: 1 })
  const limits = () => ({ maxRecords: 512 })
  const turns = createTurns(Number.POSITIVE_INFINITY)
  const scheduler = { now: () => now } as never
  const standIn = fallBack({ fallback: () => fast, costs, turns, limits, decoder, leases, scheduler })
  const onDone = ({ generation }: { generation: Generation }) => generation === fast && turns.give()
  const onCompared = (one: ShadowComparison) => comparisons.push(one)
  const onSkipped = (records: number) => skipped.push(records)

  const scored = await lastValueFrom(
    from(batches).pipe(
      standIn,
      infer({ concurrency: 1, onDone }),
      shadow({ decoder, leases, concurrency: 2, onCompared, onSkipped }),
      toArray(),
    ),
  )
  for (const { parts } of scored) for (const part of parts) leases.release(part.generation)
  // What is compared holds a lease until it has been.
  await expect.poll(() => leases.held).toBe(0)

  expect(scored.map(({ generation: { model }, rows }) => [model, rows])).toEqual([
    ['fast@1', 2],
    ['digits@4', 4],
    ['fast@1', 3],
  ])
  expect(skipped).toEqual([2, 3])
  expect(comparisons.map((one) => [one.active, one.candidate, one.failed])).toEqual([[main, candidate, 0]])
  expect(
    comparisons[0]!.pairs.map(({ partition, offset, label, candidateLabel }) => [
      partition,
      offset,
      label,
      candidateLabel,
    ]),
  ).toEqual([
    [0, 2, '2', '2'],
    [0, 3, '3', '3'],
    [1, 10, '10', '10'],
    [1, 11, '11', '11'],
  ])
})
