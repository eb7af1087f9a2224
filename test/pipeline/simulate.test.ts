import { expect, test } from 'vitest'
import { createCostProfile } from '../../pipeline/cost-profile.js'
import { type Arrival, simulate } from '../../pipeline/simulate.js'

const limits = { maxRecords: 64, maxBytes: 1 << 20, maxDelayMs: 5 }

/** What becomes of a steady stream where the model takes `tookMs` and the scheduler knows what it has seen. */
const learning = (seconds: number, perSecond: number, seedMs: number, tookMs: (rows: number, at: number) => number) => {
  const arrivals = Array.from(
    { length: seconds * perSecond },
    (_, index): Arrival => ({ at: (index * 1_000) / perSecond, partition: index % 2 }),
  )
  let now = 0
  const profile = createCostProfile([{ rows: 1, ms: [seedMs] }], () => now)
  const { likelyMs, mostMs } = profile
  return simulate(arrivals, {
    rule: { class: 'firm', ms: 100 },
    limits,
    concurrency: 1,
    costs: { likelyMs, mostMs, afterMs: 0 },
    takesMs: (rows) => tookMs(rows, now),
    onDone(rows, ms, at) {
      now = at
      profile.record(rows, ms)
    },
  })
}

test('a model that was too slow and is fast enough again scores again', () => {
  const { fates } = learning(60, 50, 500, () => 2)
  const inTime = fates.filter(({ result }) => result === 'in-time')
  const last = fates.filter(({ at }) => at > 50_000)
  expect(inTime.length).toBeGreaterThan(0)
  expect(last.filter(({ result }) => result === 'in-time').length / last.length).toBeGreaterThan(0.99)
})

test('a model that stays too slow is tried now and then, and kept from nothing else', () => {
  const { fates, busyMs, elapsedMs } = learning(60, 50, 500, () => 500)
  expect(fates.filter(({ result }) => result === 'withheld').length).toBeGreaterThan(2)
  expect(fates.filter(({ result }) => result === 'dropped').length).toBeGreaterThan(2_900)
  expect(busyMs / elapsedMs).toBeLessThan(0.06)
})

test('three times what can be scored does not lower what comes in time', () => {
  // 4 records a millisecond and half a millisecond a batch.
  const cost = (rows: number) => 0.5 + rows / 4
  const goodput = (perSecond: number) => {
    const { fates, elapsedMs } = learning(10, perSecond, 1, cost)
    return (1_000 * fates.filter(({ result }) => result === 'in-time').length) / elapsedMs
  }
  expect(goodput(12_000)).toBeGreaterThan(0.9 * 4_000 * (64 / 66))
})

test('where the broker is at times so slow that nothing would be safe, what is likely in time is scored', () => {
  const arrivals = Array.from({ length: 3_000 }, (_, index): Arrival => ({ at: index, partition: index % 2 }))
  const cost = (rows: number) => 1 + rows / 4
  const { fates } = simulate(arrivals, {
    rule: { class: 'firm', ms: 100 },
    limits,
    concurrency: 2,
    costs: { likelyMs: cost, mostMs: cost, afterMs: 150, likelyAfterMs: 5 },
    takesMs: cost,
  })
  expect(new Set(fates.map(({ result }) => result))).toEqual(new Set(['in-time']))
})

test('a model that is several times as slow under load as it was in quiet is known soon: little is scored in vain', () => {
  const arrivals = Array.from({ length: 10_000 }, (_, index): Arrival => ({ at: index, partition: index % 4 }))
  const seed = [1, 8, 64, 256].map((rows) => ({ rows, ms: new Array<number>(20).fill(3 + 0.4 * rows) }))
  let now = 0
  const { likelyMs, mostMs, record } = createCostProfile(seed, () => now)
  const { fates } = simulate(arrivals, {
    rule: { class: 'firm', ms: 400 },
    limits: { ...limits, maxRecords: 256 },
    concurrency: 2,
    costs: { likelyMs, mostMs, afterMs: 100, likelyAfterMs: 30 },
    takesMs: (rows) => 30 + 1.3 * rows,
    onDone(rows, ms, at) {
      now = at
      record(rows, ms)
    },
  })
  const of = (result: string) => fates.filter((fate) => fate.result === result).length
  expect(of('withheld')).toBeLessThan(1_000)
  expect(of('in-time')).toBeGreaterThan(4_500)
})
