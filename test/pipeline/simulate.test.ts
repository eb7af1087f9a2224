import { expect, test } from 'vitest'
import { createCostProfile } from '../../pipeline/cost-profile.js'
import { createRecentTimes } from '../../pipeline/recent-times.js'
import { type Arrival, type Fate, simulate } from '../../pipeline/simulate.js'

const limits = { maxRecords: 64, maxBytes: 1 << 20, maxDelayMs: 5 }

const cost = (rows: number, ms: number) => ({ rows, runs: 20, p50Ms: ms, p99Ms: ms })

/** What becomes of a steady stream where the model takes `tookMs` and the scheduler knows what it has seen. */
const learning = (seconds: number, perSecond: number, seedMs: number, tookMs: (rows: number, at: number) => number) => {
  const arrivals = Array.from(
    { length: seconds * perSecond },
    (_, index): Arrival => ({ at: (index * 1_000) / perSecond, partition: index % 2 }),
  )
  let now = 0
  const profile = createCostProfile([cost(1, seedMs)], () => now)
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

/** Three times what can be scored, by a scheduler that learns: which share of the capacity comes in time. The same every time. */
function goodputWhere({ ms, noise, afterMs }: { ms: number; noise: number; afterMs: (at: number) => number }) {
  let state = 1
  /** From 0 to 1, by the minimal standard generator. */
  const next = () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
  const tookMs = (rows: number) => 3 + 0.4 * rows
  /** a millisecond, of what batches take on average */
  const capacity = 256 / (tookMs(256) * (1 + noise / 2) * (1 + noise / 5))
  const seconds = 20
  const arrivals = Array.from({ length: Math.round(3_000 * seconds * capacity) }, (_, index) => ({
    at: Math.floor(index / capacity / 3),
    partition: index % 4,
  }))
  let now = 0
  const { likelyMs, mostMs, record } = createCostProfile(
    [1, 8, 64, 256].map((rows) => cost(rows, tookMs(rows))),
    () => now,
  )
  const after = createRecentTimes(() => now)
  const { fates } = simulate(arrivals, {
    rule: { class: 'firm', ms },
    limits: { ...limits, maxRecords: 256 },
    concurrency: 2,
    costs: {
      likelyMs,
      mostMs,
      get afterMs() {
        return after.mostMs
      },
      get likelyAfterMs() {
        return after.quantile(0.5)
      },
    },
    takesMs: (rows) => tookMs(rows) * (1 + noise * next()) * (next() < noise / 10 ? 3 : 1),
    afterMs: () => afterMs(now),
    onDone(rows, took, at) {
      now = at
      record(rows, took)
    },
    onAcknowledged: (took) => after.add(took),
  })
  return fates.filter(({ result }) => result === 'in-time').length / (1_000 * seconds * capacity)
}

test('a broker that stands still for longer than there is, every few seconds, does not keep back what is likely in time between', () => {
  // A third of a second in four: whoever gave up what is not safe for 99 of 100 would score next to nothing.
  const stalling = (at: number) => 60 + (at % 4_000 < 350 ? 350 - (at % 4_000) : 0)
  expect(goodputWhere({ ms: 200, noise: 0.1, afterMs: stalling })).toBeGreaterThan(0.5)
})

test('a model that is at times three times as slow is asked for less at once than what it likely does in time', () => {
  // Whoever sized batches by what half of them keep below would have half of them too late.
  expect(goodputWhere({ ms: 400, noise: 0.3, afterMs: () => 20 })).toBeGreaterThan(0.9)
})

test('what the model cannot have ready in time its fallback answers, and what neither can is dropped', () => {
  const arrivals = Array.from({ length: 400 }, (_, index): Arrival => ({ at: 10 * index, partition: index % 4 }))
  const of = (cost: (rows: number) => number) => ({
    costs: { likelyMs: cost, mostMs: cost, afterMs: 0 },
    takesMs: cost,
  })
  const fates = (fallback?: (rows: number) => number) =>
    simulate(arrivals, {
      ...of(() => 50),
      rule: { class: 'firm', ms: 80 },
      limits,
      concurrency: 2,
      ...(fallback && { fallback: of(fallback) }),
    }).fates
  const offsets = (all: readonly Fate[], is: (fate: Fate) => boolean) =>
    all.filter(is).map(({ partition, offset }) => `${partition}/${offset}`)
  const dropped = offsets(fates(), ({ result }) => result === 'dropped')
  expect(dropped.length).toBeGreaterThan(100)
  const both = fates((rows) => rows)
  expect(offsets(both, ({ result }) => result !== 'in-time')).toEqual([])
  expect(offsets(both, ({ byFallback }) => byFallback).sort()).toEqual(dropped.sort())
  expect(fates(() => 81)).toEqual(fates())
})

test('a model that is several times as slow under load as it was in quiet is known soon: little is scored in vain', () => {
  const arrivals = Array.from({ length: 10_000 }, (_, index): Arrival => ({ at: index, partition: index % 4 }))
  const seed = [1, 8, 64, 256].map((rows) => cost(rows, 3 + 0.4 * rows))
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
