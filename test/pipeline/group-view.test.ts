import { beforeEach, expect, test } from 'vitest'
import { createGroupView, type GroupView } from '../../pipeline/group-view.js'
import type { ModelEvent } from '../../pipeline/messages.js'
import { memoryLog } from '../fixtures/swap.js'

let log: ReturnType<typeof memoryLog<ModelEvent>>
let view: GroupView
let now = 0
beforeEach(() => {
  now = 0
  log = memoryLog()
  view = createGroupView(log)
})
const say = (worker: string, type: string, more: Partial<ModelEvent> = {}) =>
  log.append({
    type,
    worker,
    command: null,
    model: null,
    digest: null,
    generation: null,
    code: null,
    reason: null,
    at: ++now,
    ...more,
  })

test('a switch is followed worker by worker, from loading to the last that is active', async () => {
  const command = { command: 'c', model: 'm@2', generation: 2 }
  for (const worker of ['a', 'b']) await say(worker, 'joined')
  await say('a', 'loading', command)
  await say('b', 'loading', command)
  await say('a', 'prepared', command)
  expect(view.command).toEqual({
    command: 'c',
    model: 'm@2',
    beside: null,
    begunAt: 3,
    workers: { a: 'prepared', b: 'loading' },
  })
  await say('a', 'activated', command)
  await say('a', 'draining', { command: 'old', model: 'm@1', generation: 1 })
  await say('b', 'failed', { ...command, reason: 'no memory' })
  expect(view.command?.workers).toEqual({ a: 'activated', b: 'failed' })
  expect(view.workers.find(({ worker }) => worker === 'b')?.models).toMatchObject([
    { state: 'failed', reason: 'no memory' },
  ])
})

test('what was released is gone, and so is everything of a worker that left', async () => {
  await say('a', 'joined')
  await say('a', 'activated', { command: 'c1', model: 'm@1' })
  await say('a', 'activated', { command: 'c2', model: 'm@2' })
  await say('a', 'fenced', { command: 'c2', model: 'm@2' })
  await say('a', 'released', { command: 'c1', model: 'm@1' })
  expect(view.workers[0]).toMatchObject({ joined: true, models: [{ model: 'm@2' }] })
  await say('a', 'left')
  expect(view.workers[0]).toMatchObject({ joined: false, models: [] })
})

test('it stays small, however long the log and however many the workers', async () => {
  for (let i = 0; i < 600; i++) await say(`w${i}`, 'loading', { command: 'c', model: `m@${i}` })
  for (let i = 0; i < 20; i++) await say('w599', 'loading', { command: `c${i}`, model: 'm@1' })
  expect([view.workers.length, view.events.length]).toEqual([200, 500])
  expect(view.events.at(-1)).toMatchObject({ worker: 'w599', offset: 619 })
  expect(view.workers.at(-1)!.models).toHaveLength(8)
})

test('events are told as they come, with their offsets', async () => {
  const told: unknown[] = []
  view.next.subscribe(({ type, offset }) => told.push([type, offset]))
  await say('a', 'joined')
  await say('a', 'configured')
  view.close()
  await say('a', 'left')
  expect(told).toEqual([
    ['joined', 0],
    ['configured', 1],
  ])
})
