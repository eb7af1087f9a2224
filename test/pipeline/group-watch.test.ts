import { expect, test } from 'vitest'
import { createGroupWatch } from '../../pipeline/group-watch.js'
import type { GroupStatus } from '../../pipeline/kafka/group-status.js'

const group = (...partitions: [committed: number | null, end: number][]): GroupStatus => ({
  groupId: 'g',
  state: 'Stable',
  members: [],
  partitions: partitions.map(([committed, end], partition) => ({ partition, committed, first: 0, end, lag: 0 })),
})

const watchOf = (...answers: (GroupStatus | Error)[]) => {
  const clock = { now: 0 }
  let asked = 0
  const ask = async () => {
    const answer = answers[asked++]
    if (answer instanceof Error) throw answer
    return answer!
  }
  const watch = createGroupWatch(ask, 1_500, () => clock.now)
  const rates = async () => (await watch.status()).rates
  return { watch, rates, clock, asked: () => asked }
}

test('what comes and what is done in the whole group is told by what the broker has, between two looks', async () => {
  const { rates, clock } = watchOf(group([100, 200], [null, 50]), group([500, 300], [20, 150], [7, 9]))
  expect(await rates()).toBeNull()
  clock.now = 2_000
  // The third partition is new: what is in it did not come in these two seconds.
  const now = await rates()
  expect(now).toMatchObject({ arriving: 100, done: 210 })
  expect([...now!.doneOf]).toEqual([
    [0, 200],
    [1, 10],
    [2, 0],
  ])
})

test('a topic that was made anew goes nowhere backwards, and what is long ago says nothing of now', async () => {
  const { rates, clock } = watchOf(group([100, 200]), group([0, 0]), group([10, 20]))
  await rates()
  clock.now = 2_000
  expect(await rates()).toMatchObject({ arriving: 0, done: 0 })
  clock.now = 60_000
  expect(await rates()).toBeNull()
})

test('the broker is asked once for all who want to know, and again after a while, also when it was away', async () => {
  const { watch, clock, asked } = watchOf(group([1, 1]), new Error('away'), group([2, 2]))
  await Promise.all([watch.status(), watch.status(), watch.statusWithin(1_000)])
  expect(asked()).toBe(1)
  clock.now = 1_501
  await expect(watch.status()).rejects.toThrow('away')
  expect(await watch.statusWithin(1_000)).toBeUndefined()
  clock.now = 3_100
  expect(await watch.statusWithin(1_000)).toMatchObject({ partitions: [{ committed: 2 }], rates: null })
  expect(asked()).toBe(3)
})
