import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createStageTimes } from '../../pipeline/stage-times.js'

const inferred = (visits: readonly (readonly [since: number, until: number])[]) => {
  const times = createStageTimes()
  for (const [since, until] of visits) times.spend('infer', since, until, 10)
  return times.snapshot().find(({ stage }) => stage === 'infer')!
}

test('a batch waits while the one ahead of it is in the stage', () => {
  const visits = [
    [0, 5],
    [1, 8],
    [9, 12],
  ] as const
  expect(inferred(visits)).toEqual({ stage: 'infer', totalMs: 15, waitMs: 4, batches: 3, records: 30 })
})

test('whatever comes and goes in order: what is not waiting adds up to the time in which the stage had something to do', () => {
  const steps = fc.array(fc.tuple(fc.nat(10), fc.nat(10)), { maxLength: 50 })
  fc.assert(
    fc.property(steps, (some) => {
      let [since, until] = [0, 0]
      const visits = some.map(([gap, longer]) => {
        since += gap
        until = Math.max(since, until) + longer
        return [since, until] as const
      })
      const busy = new Set(
        visits.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index)),
      )
      const { totalMs, waitMs } = inferred(visits)
      expect(totalMs - waitMs).toBe(busy.size)
    }),
  )
})
