import { afterEach, expect, test } from 'vitest'
import type { ModelEvent } from '../../../pipeline/messages.js'
import { rollBackGroup } from '../../../pipeline/swap/group-rollback.js'
import { type GroupSwitchOptions, type SwitchProgress, switchGroup } from '../../../pipeline/swap/group-switch.js'
import {
  command,
  type MemoryLog,
  memoryLog,
  namedModels,
  noCommands,
  noFences,
  type SwapUnderTest,
  swapOn,
} from '../../fixtures/swap.js'

const swaps: SwapUnderTest[] = []
afterEach(async () => {
  await Promise.all(swaps.splice(0).map((swap) => swap.close()))
})

/** Workers that share their logs; each has a store of its own. */
const createGroup = () => {
  const control = noCommands()
  const fences = noFences()
  const events = memoryLog<ModelEvent>()
  const members = new Set<string>()
  const progress: SwitchProgress[] = []

  const join = async (worker: string, models: readonly string[], inGroup = true) => {
    const loader = namedModels(models)
    const swap = swapOn({
      control,
      fences,
      loader,
      worker,
      onEvent: (event) => {
        const nothing = { command: null, model: null, digest: null, generation: null, code: null, reason: null }
        void events.append({ ...nothing, ...event, worker, at: 0 })
      },
    })
    swaps.push(swap)
    await swap.start()
    if (inGroup) members.add(worker)
    return { swap, loader }
  }
  const client = (given: Partial<GroupSwitchOptions> = {}) => ({
    control,
    events,
    members: async () => [...members],
    issuer: 'client',
    model: 'm@2',
    timeoutMs: 60_000,
    pollMs: 5,
    onProgress: (one: SwitchProgress) => void progress.push(one),
    ...given,
  })
  const said = () => control.values.map(({ action }) => action)
  const active = () => swaps.map(({ status }) => status.active?.model)
  return { control, fences, events, members, progress, join, client, said, active }
}

const both = ['m@1', 'm@2', 'm@3']

/** Does something as soon as a value is in the log. */
const afterAppend = <T>(log: MemoryLog<T>, act: (value: T) => unknown) => {
  const { append } = log
  log.append = async (value) => {
    await append(value)
    void act(value)
  }
}

test('every worker has it ready before any scores with it, and then all do', async () => {
  const { join, client, said, active, progress } = createGroup()
  await join('a', both)
  await join('b', both)
  const result = await switchGroup(client())
  expect(result).toMatchObject({ ok: true, outcome: 'activated', generation: 2, digest: 'digest-m@2', reason: null })
  expect(result.workers).toEqual([
    { id: 'a', state: 'activated', code: null, reason: null },
    { id: 'b', state: 'activated', code: null, reason: null },
  ])
  expect([said(), active()]).toEqual([
    ['PREPARE', 'COMMIT'],
    ['m@2', 'm@2'],
  ])
  expect([...new Set(progress.map(({ phase }) => phase))]).toEqual(['preparing', 'activating', 'done'])
})

test('one worker that cannot load it is enough that nobody switches, and the reason is its own', async () => {
  const { join, client, said, active } = createGroup()
  await join('a', both)
  await join('b', ['m@1'])
  const result = await switchGroup(client())
  expect(result).toMatchObject({ ok: false, outcome: 'aborted', code: 'switch-refused' })
  expect(result.reason).toMatch(/^b: no such bundle in the store: m@2$/)
  expect(result.workers.find(({ id }) => id === 'b')).toMatchObject({ state: 'failed' })
  expect([said(), active()]).toEqual([
    ['PREPARE', 'ABORT'],
    ['m@1', 'm@1'],
  ])
})

test('a worker that does not answer is waited for as long as was said', async () => {
  const { join, client, said, members } = createGroup()
  await join('a', both)
  members.add('silent')
  const result = await switchGroup(client({ timeoutMs: 1_000 }))
  expect(result).toMatchObject({ ok: false, code: 'timed-out' })
  expect(result.reason).toBe('no answer within 1 s from silent (waiting)')
  expect(said()).toEqual(['PREPARE', 'ABORT'])
})

test('a worker that leaves before it has answered is not waited for', async () => {
  const { join, client, members } = createGroup()
  await join('a', both)
  members.add('dying')
  setTimeout(() => members.delete('dying'), 20)
  expect(await switchGroup(client())).toMatchObject({ ok: true, workers: [{ id: 'a' }] })
})

test('a worker that joins before COMMIT has to be ready too', async () => {
  const { join, client, members, said } = createGroup()
  await join('a', both)
  let looks = 0
  const result = await switchGroup(
    client({
      members: async () => {
        // After everybody had answered: the look before COMMIT.
        if (++looks === 2) await join('late', ['m@1'])
        return [...members]
      },
    }),
  )
  expect(result).toMatchObject({ ok: false, code: 'switch-refused', reason: expect.stringMatching(/^late: /) })
  expect(said()).toEqual(['PREPARE', 'ABORT'])
})

test('a worker that dies after COMMIT is not waited for', async () => {
  const { join, client, members, control } = createGroup()
  await join('a', both)
  const { swap } = await join('dying', both)
  const { append } = control
  control.append = async (one) => {
    if (one.action === 'COMMIT') await swap.close()
    await append(one)
    if (one.action === 'COMMIT') setTimeout(() => members.delete('dying'), 20)
  }
  const result = await switchGroup(client())
  expect(result).toMatchObject({ ok: true, generation: 2 })
  expect(result.workers.find(({ id }) => id === 'a')).toMatchObject({ state: 'activated' })
})

test('a worker that comes after COMMIT scores with it too', async () => {
  const { join, client, control, members, active } = createGroup()
  await join('a', both)
  members.add('b')
  const { append } = control
  control.append = async (one) => {
    await append(one)
    if (one.action === 'PREPARE') members.delete('b')
    if (one.action === 'COMMIT') setTimeout(() => void join('b', both), 5)
  }
  await switchGroup(client())
  while (active().length < 2 || active().includes(undefined)) await new Promise((resolve) => setImmediate(resolve))
  expect(active()).toEqual(['m@2', 'm@2'])
})

test('what is decided is said to be, where a worker does not say that it scores with it', async () => {
  const { join, client, control } = createGroup()
  await join('a', both)
  const { swap } = await join('stuck', both)
  const { append } = control
  control.append = async (one) => {
    if (one.action === 'COMMIT') await swap.close()
    await append(one)
  }
  const result = await switchGroup(client({ activationTimeoutMs: 50 }))
  expect(result).toMatchObject({ ok: false, outcome: 'committed', generation: 2, code: 'timed-out' })
})

test('of two clients at once one wins and the other is told', async () => {
  const { join, client, active } = createGroup()
  await join('a', both)
  await join('b', both)
  const results = await Promise.allSettled([
    switchGroup(client({ issuer: 'one' })),
    switchGroup(client({ issuer: 'two', model: 'm@3' })),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect((results[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'switch-pending' })
  expect(active()).toEqual(['m@2', 'm@2'])
})

test('a client that is interrupted aborts', async () => {
  const { join, client, said, members, events } = createGroup()
  await join('a', both)
  members.add('silent')
  const interrupted = new AbortController()
  afterAppend(events, ({ type }) => type === 'prepared' && interrupted.abort())
  const result = await switchGroup(client({ signal: interrupted.signal }))
  expect(result).toMatchObject({ ok: false, outcome: 'aborted', code: 'interrupted' })
  expect(said()).toEqual(['PREPARE', 'ABORT'])
})

test('another ABORT ends it', async () => {
  const { join, client, members, control, events, active } = createGroup()
  await join('a', both)
  members.add('silent')
  afterAppend(events, ({ type }) => type === 'prepared' && control.append(command({ action: 'ABORT' })))
  expect(await switchGroup(client())).toMatchObject({ ok: false, outcome: 'aborted', code: 'nothing-prepared' })
  expect(active()).toEqual(['m@1'])
})

test('without any worker there is nobody to wait for', async () => {
  const { client, said } = createGroup()
  await expect(switchGroup(client())).rejects.toMatchObject({ code: 'no-workers' })
  expect(said()).toEqual([])
})

test('workers that have different bundles under the name do not switch', async () => {
  const { join, client, events, members } = createGroup()
  await join('a', both)
  members.add('other')
  const answer = {
    type: 'prepared',
    model: 'm@2',
    digest: 'another',
    generation: null,
    code: null,
    reason: null,
    at: 0,
  }
  const { append } = events
  events.append = async (event) => {
    await append(event)
    if (event.type === 'prepared') await append({ ...answer, worker: 'other', command: event.command })
  }
  const result = await switchGroup(client())
  expect(result).toMatchObject({ ok: false, reason: 'different bundles of that name: digest-m@2, another' })
})

test('a worker that joins too late to be asked scores nothing until it has what the others have agreed on', async () => {
  const { join, control, events } = createGroup()
  await join('a', both)
  const { swap, loader } = await join('late', ['m@1'])
  await control.append(command({ action: 'PREPARE', model: 'm@2' }))
  await control.append(command({ action: 'COMMIT', model: 'm@2' }))
  const refused = () =>
    events.values.some(({ worker, type, generation }) => worker === 'late' && type === 'failed' && !generation)
  while (!refused() || !swap.status.waiting) await new Promise((resolve) => setImmediate(resolve))
  const chosen = swap.choiceFor([{ topic: 'in', partition: 0 }]).choose('in', 0, 0)
  expect(chosen).toBeInstanceOf(Promise)
  loader.known.add('m@2')
  expect((await chosen).generation.model).toBe('m@2')
})

test('a rollback names the bundle that was scored with before, whatever was tried in between', async () => {
  const { join, client, control, fences, active } = createGroup()
  const { swap } = await join('a', both)
  const choice = swap.choiceFor([{ topic: 'in', partition: 0 }])
  choice.choose('in', 0, 0)
  await switchGroup(client())
  choice.choose('in', 0, 10)
  await swap.written('in', 0, {} as never)
  await control.append(command({ action: 'SWITCH', model: 'm@bad' }))
  const result = await rollBackGroup({ ...client(), fences: fences.values })
  expect(result).toMatchObject({ ok: true, model: 'm@1', digest: 'digest-m@1', generation: 4 })
  expect(control.values.at(-1)).toMatchObject({ action: 'ROLLBACK', model: 'm@1', digest: 'digest-m@1' })
  expect(active()).toEqual(['m@1'])
})

test('a rollback with nothing before it is refused before it is sent', async () => {
  const { join, client, fences, said } = createGroup()
  const { swap } = await join('a', both)
  swap.choiceFor([{ topic: 'in', partition: 0 }]).choose('in', 0, 0)
  await swap.written('in', 0, {} as never)
  await expect(rollBackGroup({ ...client(), fences: fences.values, timeoutMs: 100 })).rejects.toMatchObject({
    code: 'nothing-to-roll-back',
  })
  expect(said()).toEqual([])
})
