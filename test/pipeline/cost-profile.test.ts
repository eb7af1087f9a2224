import { expect, test } from 'vitest'
import { createCostProfile } from '../../pipeline/cost-profile.js'

const cost = (rows: number, ms: number) => ({ rows, runs: 1, p50Ms: ms, p99Ms: ms })

const profiled = (seed: Parameters<typeof createCostProfile>[0] = []) => {
  let now = 0
  const profile = createCostProfile(seed, () => now)
  const pass = (ms: number) => {
    now += ms
  }
  return { profile, pass }
}

test('a size between two that were measured costs in proportion, one beyond them as steeply as before', () => {
  const { profile } = profiled([cost(1, 10), cost(101, 20)])
  expect(profile.mostMs(51)).toBeCloseTo(15, 0)
  expect(profile.mostMs(201)).toBeCloseTo(30, 0)
})

test('a large size that was slow once and is not chosen since is tried again when the others have stayed fast', () => {
  const { profile, pass } = profiled()
  for (const rows of [1, 2]) profile.record(rows, 1)
  profile.record(64, 1_000)
  expect(profile.mostMs(64)).toBeGreaterThan(990)
  pass(20_000)
  for (const rows of [1, 2]) profile.record(rows, 1)
  expect(profile.mostMs(64)).toBeLessThan(10)
})

test('what a small size took long ago does not raise a larger one', () => {
  const { profile, pass } = profiled([cost(1, 1_000)])
  pass(20_000)
  for (let i = 0; i < 20; i++) profile.record(64, 5)
  expect(profile.mostMs(64)).toBeLessThan(6)
  expect(profile.mostMs(1)).toBeLessThan(6)
})

test('a size that has only been measured in quiet is as much slower under load as the others', () => {
  const { profile } = profiled([cost(1, 1), cost(64, 10)])
  profile.record(1, 5)
  expect(profile.likelyMs(64)).toBeCloseTo(50, -1)
})

test('one accident among few batches says nothing of the next', () => {
  const { profile } = profiled()
  for (const ms of [1, 500, 1]) profile.record(8, ms)
  expect(profile.mostMs(8)).toBeLessThan(2)
  for (let i = 0; i < 20; i++) profile.record(8, i % 4 === 0 ? 500 : 1)
  expect(profile.mostMs(8)).toBeGreaterThan(400)
})

test('where nothing newer is known, what is old is believed', () => {
  const { profile, pass } = profiled([cost(8, 40)])
  pass(3_600_000)
  expect(profile.mostMs(8)).toBeCloseTo(40, 0)
})
