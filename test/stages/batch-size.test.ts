import { expect, test } from 'vitest'
import { type BatchCosts, batchSize } from '../../stages/batch-size.js'
import { mostInTime } from '../../stages/most-in-time.js'

/** Ten milliseconds a batch and one a row: large batches pay. */
const costs: BatchCosts = { likelyMs: (rows) => 10 + rows, mostMs: (rows) => 10 + rows, afterMs: 5 }
const size = (deadlines: readonly number[], { firm = true, maxRecords = 100 } = {}) =>
  batchSize(
    { count: deadlines.length, urgency: Float64Array.from(deadlines) },
    { maxRecords, startsAt: 1_000, firm, costs },
  )
const most = (deadlines: readonly number[], { maxRecords = 100, costs: of = costs } = {}) =>
  mostInTime(Float64Array.from(deadlines), {
    maxRecords: Math.min(maxRecords, deadlines.length),
    startsAt: 1_000,
    costs: of,
  })
const times = (count: number, deadline: number) => new Array<number>(count).fill(deadline)

test('everything goes together where everything is ready in time; the slack is that of the most urgent', () => {
  expect(size([1_020, ...times(4, 2_000)])).toEqual({ rows: 5, readyAt: 1_020, slackMs: 0 })
  expect(size(times(5, 1_100))).toEqual({ rows: 5, readyAt: 1_020, slackMs: 80 })
})

test('a batch is kept small for an urgent record where the rest loses nothing by it', () => {
  expect(size([1_020, ...times(50, 2_000)])).toMatchObject({ rows: 5, readyAt: 1_020, slackMs: 0 })
})

test('where not everything can be in time, one record is left out rather than many', () => {
  const deadlines = [1_016, ...times(60, 1_080)]
  expect(size(deadlines)).toBeUndefined()
  expect(most(deadlines)).toEqual({ rows: 60, readyAt: 1_076, slackMs: 0 })
})

test('of sizes that have about as many ready in time for each millisecond the smallest is taken', () => {
  const flat: BatchCosts = { likelyMs: (rows) => 1 + rows, mostMs: (rows) => 1 + rows, afterMs: 5 }
  expect(most(times(500, 1_080), { maxRecords: 256, costs: flat }).rows).toBe(32)
})

test('where too few are safe, the least urgent go', () => {
  const unsafe: BatchCosts = { likelyMs: () => 10, mostMs: () => 100, afterMs: 0 }
  const deadlines = [1_020, 1_030, 1_040, 1_050]
  const late = mostInTime(Float64Array.from(deadlines), { maxRecords: 2, startsAt: 1_000, costs: unsafe })
  expect(late).toEqual({ rows: 2, readyAt: 1_040, slackMs: 0 })
})

test('with a soft deadline nothing is left out', () => {
  expect(size([900, ...times(60, 1_080)], { firm: false })).toMatchObject({ rows: 61 })
})

test('no more than the limit go together', () => {
  expect(size(times(500, 9_000))?.rows).toBe(100)
})

test('as long as nothing is known of the cost, everything goes together', () => {
  const unknown = { likelyMs: () => 0, mostMs: () => 0, afterMs: 0 }
  const waiting = { count: 3, urgency: Float64Array.of(1_000, 1_001, 1_002) }
  expect(batchSize(waiting, { maxRecords: 10, startsAt: 1_000, firm: true, costs: unknown })?.rows).toBe(3)
})
