import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFlowHistory, type FlowHistory } from '../../pipeline/flow-history.js'
import { observers } from '../../pipeline/pipe-observer.js'
import { createPipeStats } from '../../pipeline/pipe-stats.js'
import { decoded, encodedOf, fetched, generation, microBatchOf, record } from '../fixtures/stage-values.js'

let history: FlowHistory
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})
afterEach(() => {
  history.close()
  vi.useRealTimers()
})

test('a second is told in rates, latencies, stage times and the generation that was published', () => {
  const stats = createPipeStats()
  history = createFlowHistory({ stats: stats.snapshot, accuracy: () => 0.5 })
  const both = observers([stats.observer, history.observer])
  const told: number[] = []
  history.next.subscribe(({ at }) => told.push(at))
  const run = fetched(0, 0, [record(0, { timestamp: 999_000 }), record(1, { timestamp: 999_990 })])
  both.fetched(run)
  const batch = microBatchOf(decoded(run, generation(4)))
  both.batched(batch)
  both.published(encodedOf(batch))
  vi.advanceTimersByTime(2_000)
  expect(told).toEqual([1_001_000, 1_002_000])
  expect(history.frames[0]).toMatchObject({
    in: 2,
    out: 2,
    batches: 1,
    inFlight: 0,
    p50: 1_000,
    p99: 1_000,
    generation: 4,
    accuracy: 0.5,
    late: null,
  })
  expect(history.frames[0]!.stages).toMatchObject({ gather: 0, encode: null })
  expect(history.frames[1]).toMatchObject({ in: 0, out: 0, p50: null, p99: null, generation: 4 })
})

test('where the deadline is firm, late records are told in rates too', () => {
  let late = 0
  history = createFlowHistory({ stats: createPipeStats().snapshot, accuracy: () => null, late: () => late })
  late = 30
  vi.advanceTimersByTime(1_000)
  late = 40
  vi.advanceTimersByTime(1_000)
  expect(history.frames.map((frame) => frame.late)).toEqual([30, 10])
})

test('five minutes are kept', () => {
  history = createFlowHistory({ stats: createPipeStats().snapshot, accuracy: () => null })
  vi.advanceTimersByTime(400_000)
  expect(history.frames).toHaveLength(300)
  expect(history.frames.at(-1)!.at).toBe(1_400_000)
})
