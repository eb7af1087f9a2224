import { expect, test } from 'vitest'
import { tellOf } from '../../../pipeline/model/verify-latency.js'

const cost = (rows: number, ms: number) => ({ rows, runs: 5, p50Ms: ms, p99Ms: 2 * ms })

test('what was measured tells of the sizes that it has, and of those that would have taken too long', () => {
  const fast = [cost(1, 1), cost(8, 2)]
  expect(tellOf(fast, [1, 8])).toBe(true)
  expect(tellOf(fast, [1, 8, 64])).toBe(false)
  expect(tellOf([], [1])).toBe(false)
  // A second a record: more than ten of them are not tried.
  expect(tellOf([cost(1, 1_000)], [1, 64, 2_048])).toBe(true)
  expect(tellOf([cost(1, 1_000)], [1, 8])).toBe(false)
})
