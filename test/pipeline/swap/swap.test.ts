import { firstValueFrom } from 'rxjs'
import { afterEach, expect, test } from 'vitest'
import type { FenceEntry } from '../../../pipeline/swap/fences.js'
import type { Choice } from '../../../stages/ports.js'
import {
  command,
  type memoryLog,
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

const setUp = (models = ['m@1', 'm@2', 'm@3']) => {
  const control = noCommands()
  const fences = noFences()
  const loader = namedModels(models)
  const start = async (options: Partial<Parameters<typeof swapOn>[0]> = {}) => {
    const swap = swapOn({ control, fences, loader, ...options })
    swaps.push(swap)
    await swap.start()
    await takeOver(swap)
    return swap
  }
  return { control, fences, loader, start }
}

const tenure = { confirm: async () => undefined, signal: new AbortController().signal }
const takeOver = (swap: SwapUnderTest) => swap.takeOver([partition(0), partition(1)], tenure)
const partition = (id: number) => ({ topic: 'in', partition: id })
const now = (choice: Choice | Promise<Choice>) => {
  expect(choice).not.toBeInstanceOf(Promise)
  const { generation, until } = choice as Choice
  return [generation.number, generation.model, until]
}
const offsets = (log: ReturnType<typeof memoryLog<FenceEntry>>) =>
  log.values
    .filter(({ fence }) => fence?.generation !== 0)
    .map(({ fence }) => fence && [fence.partition, fence.generation, fence.offset, fence.model])

test('the first record of a partition is the fence of the generation that is active', async () => {
  const { start, fences } = setUp()
  const swap = await start()
  const choice = swap.choiceFor([partition(0), partition(1)])
  expect(now(choice.choose('in', 0, 7))).toEqual([1, 'm@1', Number.POSITIVE_INFINITY])
  expect(now(choice.choose('in', 1, 3))).toEqual([1, 'm@1', Number.POSITIVE_INFINITY])
  choice.choose('in', 0, 8)
  await swap.written('in', 1, {} as never)
  expect(offsets(fences)).toEqual([
    [0, 1, 7, 'm@1'],
    [1, 1, 3, 'm@1'],
  ])
})

test('a switch begins at the next record that is asked for, of each partition by itself', async () => {
  const { control, start, fences } = setUp()
  const swap = await start()
  const choice = swap.choiceFor([partition(0), partition(1)])
  choice.choose('in', 0, 0)
  choice.choose('in', 1, 0)
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  await swap.until(({ type, generation }) => type === 'activated' && generation === 2)
  expect(now(choice.choose('in', 0, 5))).toEqual([2, 'm@2', Number.POSITIVE_INFINITY])
  await swap.written('in', 0, {} as never)
  expect(offsets(fences).at(-1)).toEqual([0, 2, 5, 'm@2'])
  expect(now(choice.choose('in', 1, 9))).toEqual([2, 'm@2', Number.POSITIVE_INFINITY])
})

test('nothing of a new generation may be published before its fence is written', async () => {
  const { start, fences } = setUp()
  const swap = await start()
  fences.hold()
  swap.choiceFor([partition(0)]).choose('in', 0, 0)
  const written = swap.written('in', 0, {} as never)
  expect(written).toBeInstanceOf(Promise)
  expect(offsets(fences)).toEqual([])
  fences.release()
  await written
  expect(offsets(fences)).toEqual([[0, 1, 0, 'm@1']])
  expect(swap.written('in', 0, {} as never)).toBeUndefined()
})

test('a bundle that cannot be loaded is refused with an event, and the old one goes on', async () => {
  const { control, start } = setUp()
  const swap = await start()
  await control.append(command({ action: 'SWITCH', model: 'm@bad', id: 'bad' }))
  expect(await swap.until(({ type }) => type === 'failed')).toMatchObject({ command: 'bad', code: 'model-unknown' })
  expect(now(swap.choiceFor([partition(0)]).choose('in', 0, 0))).toEqual([1, 'm@1', Number.POSITIVE_INFINITY])
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  await swap.until(({ type, generation }) => type === 'activated' && generation === 3)
})

test('a record that is scored again gets the generation it had, whoever scores it, also with three switches between', async () => {
  const { control, start, loader } = setUp(['m@1', 'm@2', 'm@3', 'm@4'])
  const first = await start()
  const choice = first.choiceFor([partition(0)])
  choice.choose('in', 0, 10)
  for (const [version, at] of [
    [2, 20],
    [3, 30],
    [4, 40],
  ] as const) {
    await control.append(command({ action: 'SWITCH', model: `m@${version}` }))
    await first.until(({ type, generation }) => type === 'activated' && generation === version)
    choice.choose('in', 0, at)
  }
  await first.written('in', 0, {} as never)
  loader.loads.length = 0
  const second = await start({ worker: 'other' })
  const again = second.choiceFor([partition(0)])
  for (const [offset, number, until] of [
    [12, 1, 20],
    [20, 2, 30],
    [29, 2, 30],
    [35, 3, 40],
    [40, 4, Number.POSITIVE_INFINITY],
  ] as const) {
    const { generation, until: end } = await again.choose('in', 0, offset)
    expect([generation.number, generation.model, end]).toEqual([number, `m@${number}`, until])
  }
  // The committed one first; the older ones only as the records that need them were read.
  expect(loader.loads).toEqual(['m@4', 'm@1', 'm@2', 'm@3'])
})

test('what lies before the first fence is scored by the first generation, and fenced so', async () => {
  const { start, fences } = setUp()
  const first = await start()
  first.choiceFor([partition(0)]).choose('in', 0, 100)
  await first.written('in', 0, {} as never)
  const second = await start({ worker: 'other' })
  expect((await second.choiceFor([partition(0)]).choose('in', 0, 50)).generation.number).toBe(1)
  await second.written('in', 0, {} as never)
  expect(offsets(fences).at(-1)).toEqual([0, 1, 50, 'm@1'])
})

test('PREPARE is answered and changes nothing; COMMIT activates it; ABORT forgets it', async () => {
  const { control, start } = setUp()
  const swap = await start()
  await control.append(command({ action: 'PREPARE', model: 'm@2', id: 'p' }))
  expect(await swap.until(({ type, command: id }) => type === 'prepared' && id === 'p')).toMatchObject({ model: 'm@2' })
  const choice = swap.choiceFor([partition(0)])
  expect(now(choice.choose('in', 0, 0))[0]).toBe(1)
  await control.append(command({ action: 'COMMIT', model: 'm@2' }))
  await swap.until(({ type, generation }) => type === 'activated' && generation === 2)
  expect(now(choice.choose('in', 0, 1))[0]).toBe(2)
  await control.append(command({ action: 'PREPARE', model: 'm@3', id: 'q' }))
  await swap.until(({ type, command: id }) => type === 'prepared' && id === 'q')
  await control.append(command({ action: 'ABORT', model: 'm@3' }))
  await swap.until(({ type, command: id }) => type === 'released' && id === 'q')
  expect(now(choice.choose('in', 0, 2))[0]).toBe(2)
})

test('a rollback finds the previous model loaded; the one before that is let go', async () => {
  const { control, start, loader } = setUp()
  const swap = await start()
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  await swap.until(({ type, generation }) => type === 'activated' && generation === 2)
  await control.append(command({ action: 'ROLLBACK' }))
  await swap.until(({ type, generation }) => type === 'activated' && generation === 3)
  expect(loader.loads).toEqual(['m@1', 'm@2'])
  expect(swap.status).toMatchObject({ active: { model: 'm@1', generation: 3 }, previous: { model: 'm@2' } })
  await control.append(command({ action: 'SWITCH', model: 'm@3' }))
  await swap.until(({ type, generation }) => type === 'released' && generation === 3)
  expect([...loader.open]).toEqual(['m@1#1', 'm@3#3'])
})

test('a model is not let go while a batch has a lease of it', async () => {
  const { control, start, loader } = setUp()
  const swap = await start({ keepPrevious: false })
  const { generation } = swap.choiceFor([partition(0)]).choose('in', 0, 0) as Choice
  generation.retain()
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  await swap.until(({ type, generation }) => type === 'draining' && generation === 1)
  await new Promise((resolve) => setImmediate(resolve))
  expect([...loader.open]).toEqual(['m@1#1', 'm@2#2'])
  generation.release()
  await swap.until(({ type, generation }) => type === 'released' && generation === 1)
  expect([...loader.open]).toEqual(['m@2#2'])
})

test('a worker that comes late has what was committed, and waits for it where it cannot load it', async () => {
  const { control, start, loader } = setUp(['m@1'])
  await control.append(command({ action: 'PREPARE', model: 'm@2' }))
  await control.append(command({ action: 'COMMIT', model: 'm@2' }))
  const starting = start()
  const swap = swaps[0]!
  await swap.until(({ type }) => type === 'failed')
  while (swap.status.waiting === undefined) await firstValueFrom(swap.changes)
  expect(swap.status.active).toBeUndefined()
  expect(swap.status.waiting).toMatch(/generation 2 needs m@2/)
  loader.known.add('m@2')
  await starting
  expect(swap.status.active).toMatchObject({ generation: 2, model: 'm@2' })
})

test('where nothing scores, the model that is wanted is waited for until it can be loaded', async () => {
  const { control, start, loader } = setUp([])
  const swap = await start()
  expect(swap.status.waiting).toMatch(/^generation 1 needs m@1: /)
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  while (!swap.status.waiting?.startsWith('generation 2 needs m@2')) await firstValueFrom(swap.changes)
  loader.known.add('m@2')
  await swap.until(({ type, generation }) => type === 'activated' && generation === 2)
  expect(swap.status).toMatchObject({ active: { model: 'm@2', generation: 2 }, waiting: undefined })
})

test('a worker that comes late goes on with the last model that there is when nobody scores with a newer', async () => {
  const { control, start } = setUp()
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  await control.append(command({ action: 'SWITCH', model: 'm@bad' }))
  const swap = await start()
  expect(swap.status.active).toMatchObject({ generation: 2, model: 'm@2' })
})

test('without any model named the first record waits for a SWITCH', async () => {
  const { control, start } = setUp()
  const swap = await start({ initial: undefined })
  const chosen = swap.choiceFor([partition(0)]).choose('in', 0, 4)
  expect(chosen).toBeInstanceOf(Promise)
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  expect((await chosen).generation.model).toBe('m@2')
})

test('an owner says its fence again when somebody who lost the partition writes late', async () => {
  const { start, fences } = setUp()
  const swap = await start()
  swap.choiceFor([partition(0)]).choose('in', 0, 10)
  await swap.written('in', 0, {} as never)
  const { key, fence } = fences.values.at(-1) as { key: string; fence: NonNullable<FenceEntry['fence']> }
  await fences.append({ key, fence: { ...fence, offset: 12, worker: 'zombie' } })
  await takeOver(swap)
  expect(offsets(fences)).toEqual([
    [0, 1, 10, 'm@1'],
    [0, 1, 12, 'm@1'],
    [0, 1, 10, 'm@1'],
  ])
})

test('a canary scores with two models under one number, fenced with both; ABORT goes on with the first alone', async () => {
  const { control, start, fences, loader } = setUp()
  const swap = await start()
  const choice = swap.choiceFor([partition(0)])
  choice.choose('in', 0, 0)
  await control.append(command({ action: 'CANARY', model: 'm@2', percent: 25 }))
  await swap.until(({ type, generation }) => type === 'activated' && generation === 2)
  const { generation } = choice.choose('in', 0, 5) as Choice
  expect(generation).toMatchObject({
    number: 2,
    model: 'm@1',
    canary: { percent: 25, generation: { number: 2, model: 'm@2' } },
  })
  await swap.written('in', 0, {} as never)
  expect(fences.values.at(-1)!.fence).toMatchObject({
    mode: 'CANARY',
    model: 'm@1',
    candidate: 'm@2',
    candidateDigest: 'digest-m@2',
    percent: 25,
  })
  const other = await start({ worker: 'other' })
  const again = (await other.choiceFor([partition(0)]).choose('in', 0, 7)).generation
  expect(again).toMatchObject({ number: 2, model: 'm@1', canary: { percent: 25, generation: { model: 'm@2' } } })
  loader.loads.length = 0
  await control.append(command({ action: 'ABORT' }))
  await swap.until(({ type, generation }) => type === 'activated' && generation === 3)
  expect(choice.choose('in', 0, 9)).toMatchObject({ generation: { number: 3, model: 'm@1' } })
  expect(loader.loads).toEqual([])
})

test('a canary whose candidate cannot be loaded is refused, and nothing stays loaded of it', async () => {
  const { control, start, loader } = setUp()
  const swap = await start()
  await control.append(command({ action: 'CANARY', model: 'm@bad', percent: 25, id: 'c' }))
  expect(await swap.until(({ type }) => type === 'failed')).toMatchObject({ command: 'c', code: 'model-unknown' })
  expect(swap.status.active).toMatchObject({ generation: 1, model: 'm@1' })
  expect([...loader.open]).toEqual(['m@1#1'])
})

test('what an owner before may have published and not committed goes on with its generation', async () => {
  const { control, start, fences } = setUp()
  const first = await start()
  first.choiceFor([partition(0)]).choose('in', 0, 0)
  await first.written('in', 0, {} as never)
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  await first.until(({ type, generation }) => type === 'activated' && generation === 2)
  // The first worker vanishes here; what it published of generation 1 nobody knows.
  const second = await start({
    worker: 'other',
    inputEdges: async (partitions) => partitions.map(() => ({ first: 0, end: 100 })),
    uncommittedRecords: 8,
  })
  const choice = second.choiceFor([partition(0)])
  const arrive = (start: number, next: number) =>
    choice.arrived({ topic: 'in', partition: 0, start, next, bytes: 0, records: new Array(next - start).fill({}) })
  arrive(10, 15)
  const { generation, until } = await choice.choose('in', 0, 10)
  expect([generation.number, until]).toEqual([1, 100])
  // The eighth record is the last that can have been published.
  arrive(15, 20)
  expect(now(choice.choose('in', 0, 15))).toEqual([1, 'm@1', 20])
  expect(now(choice.choose('in', 0, 20))).toEqual([2, 'm@2', Number.POSITIVE_INFINITY])
  await second.written('in', 0, {} as never)
  expect(offsets(fences)).toEqual([
    [0, 1, 0, 'm@1'],
    [0, 2, 20, 'm@2'],
  ])
})

test('what came after the takeover nobody can have published: it goes on with the active generation at once', async () => {
  const { control, start } = setUp()
  const first = await start()
  first.choiceFor([partition(0)]).choose('in', 0, 0)
  await first.written('in', 0, {} as never)
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  const second = await start({
    worker: 'other',
    inputEdges: async (partitions) => partitions.map(() => ({ first: 0, end: 12 })),
    uncommittedRecords: 1_000,
  })
  const choice = second.choiceFor([partition(0)])
  expect((await choice.choose('in', 0, 11)).until).toBe(12)
  expect(now(choice.choose('in', 0, 12))).toEqual([2, 'm@2', Number.POSITIVE_INFINITY])
})

test('a worker that has lost a partition without knowing sets no fence there any more', async () => {
  const { control, start, fences } = setUp()
  const [zombie, owner] = [await start({ worker: 'zombie' }), await start({ worker: 'owner' })]
  const lost = zombie.choiceFor([partition(0)])
  const owned = owner.choiceFor([partition(0)])
  owned.choose('in', 0, 5)
  await owner.written('in', 0, {} as never)
  await control.append(command({ action: 'SWITCH', model: 'm@2' }))
  await Promise.all(
    [zombie, owner].map((one) => one.until(({ type, generation }) => type === 'activated' && generation === 2)),
  )
  expect(now(lost.choose('in', 0, 7))[0]).toBe(2)
  const gate = zombie.written('in', 0, {} as never)
  // The owner takes it back, for readers that see only what compaction has left.
  while (fences.values.at(-1)?.fence !== null) await new Promise((resolve) => setImmediate(resolve))
  expect(await Promise.race([gate, new Promise((resolve) => setImmediate(() => resolve('shut')))])).toBe('shut')
  expect(now(owned.choose('in', 0, 6))[0]).toBe(2)
  await owner.written('in', 0, {} as never)
  expect(offsets(fences).at(-1)).toEqual([0, 2, 6, 'm@2'])
})

test('fences of records that retention has taken are forgotten when the partition is taken over', async () => {
  const { control, start, fences } = setUp()
  const first = await start()
  const choice = first.choiceFor([partition(0)])
  choice.choose('in', 0, 0)
  for (const [version, at] of [
    [2, 10],
    [3, 20],
  ] as const) {
    await control.append(command({ action: 'SWITCH', model: `m@${version}` }))
    await first.until(({ type, generation }) => type === 'activated' && generation === version)
    choice.choose('in', 0, at)
  }
  await first.written('in', 0, {} as never)
  await start({
    worker: 'other',
    inputEdges: async (partitions) => partitions.map(() => ({ first: 15, end: 30 })),
  })
  expect(fences.values.filter(({ fence }) => !fence)).toEqual([{ key: 'd/in/0/1', fence: null }])
})

test('fences last as long as their records, also where a partition stays with one worker for good', async () => {
  const { control, start, fences } = setUp()
  let first = 0
  const inputEdges = async (partitions: readonly unknown[]) => partitions.map(() => ({ first, end: 0 }))
  const swap = await start({ inputEdges })
  const choice = swap.choiceFor([partition(0)])
  const kept = new Set<string>()
  let most = 0
  for (let generation = 2, read = 0; generation <= 400; generation++) {
    await control.append(command({ action: 'SWITCH', model: `m@${(generation % 3) + 1}` }))
    await swap.until((event) => event.type === 'activated' && event.generation === generation)
    // Of every generation there are ten records, and retention leaves those of the last twelve.
    first = 10 * (generation - 12)
    choice.choose('in', 0, 10 * generation)
    await swap.written('in', 0, {} as never)
    for (const { key, fence } of fences.values.slice(read)) fence ? kept.add(key) : kept.delete(key)
    read = fences.values.length
    most = Math.max(most, kept.size)
  }
  expect(most).toBeLessThan(80)
  const other = (await start({ worker: 'other', inputEdges })).choiceFor([partition(0)])
  expect((await other.choose('in', 0, first)).generation.number).toBe(388)
})

test('commands that name one bundle at once load it once', async () => {
  const { control, start, loader } = setUp()
  const swap = await start()
  await Promise.all([1, 2, 3].map(() => control.append(command({ action: 'SWITCH', model: 'm@2' }))))
  await swap.until(({ type, generation }) => type === 'activated' && generation === 4)
  expect(loader.loads).toEqual(['m@1', 'm@2'])
})
