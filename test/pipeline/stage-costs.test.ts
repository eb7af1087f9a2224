import { expect, test } from 'vitest'
import { createStageCosts } from '../../pipeline/stage-costs.js'
import type { Generation, Spent, StageBudget } from '../../stages/ports.js'
import { decoded, fetched, generation, microBatchOf, scoredOf } from '../fixtures/stage-values.js'

const budgets: StageBudget[] = [
  { stage: 'preprocess', class: 'soft', table: [{ rows: 10, ms: 1 }] },
  {
    stage: 'inference',
    class: 'firm',
    table: [
      { rows: 1, ms: 2 },
      { rows: 11, ms: 4 },
    ],
  },
]

const costs = createStageCosts()
const score = (by: Generation, rows: number, ms: Spent['ms']) => {
  const scored = scoredOf(microBatchOf(decoded(fetched(0, 0, [0]), by)))
  costs.observer.scored({ ...scored, outputs: { ...scored.outputs, spent: { rows, ms } } })
}

test('a batch in which a stage took longer than its budget for so many rows is counted, by stage and class', () => {
  const by = { ...generation(1), budgets }
  score(by, 1, { preprocess: 1, inference: 2 })
  // Twice as many as were stated may take twice as long; of two statements the line through both says how long.
  score(by, 20, { preprocess: 2, inference: 5.7 })
  score(by, 20, { preprocess: 2.1, inference: 5.9 })
  score(by, 6, { inference: 3.1, postprocess: 100 })
  expect(costs.budgets).toEqual([
    { stage: 'preprocess', class: 'soft', batches: 3, missed: 1 },
    { stage: 'inference', class: 'firm', batches: 4, missed: 2 },
  ])
})

test('what a stage costs is kept by generation and size, on top of what was measured before it scored', () => {
  const measured = { rows: 64, runs: 2, p50Ms: 9, p99Ms: 9, stages: { inference: { p50Ms: 8, p99Ms: 8 } } }
  const seeded = { ...generation(2), costs: [measured] }
  score(seeded, 1, { inference: 0.5 })
  expect(costs.all.map(({ generation, model }) => [generation, model])).toEqual([
    [1, 'digits@1'],
    [2, 'digits@2'],
  ])
  const [{ stage, table }] = costs.all[1]!.stages as [(typeof costs.all)[number]['stages'][number]]
  expect(stage).toBe('inference')
  expect(table).toEqual([
    { rows: 1, batches: 1, p50Ms: expect.closeTo(0.5, 1), p99Ms: expect.closeTo(0.5, 1) },
    { rows: 64, batches: 2, p50Ms: expect.closeTo(8, 0), p99Ms: expect.closeTo(8, 0) },
  ])
})

test('the oldest generations are let go', () => {
  for (let number = 3; number < 20; number++) score(generation(number), 1, { inference: 1 })
  expect(costs.all.length).toBeLessThan(10)
  expect(costs.all.at(-1)?.generation).toBe(19)
})
