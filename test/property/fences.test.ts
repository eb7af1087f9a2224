/** The swap against a model of what the fence log means, over random histories of a deployment. */
import { setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { Fence, ModelCommand } from '../../pipeline/messages.js'
import type { FenceEntry } from '../../pipeline/swap/fences.js'
import {
  createWorld,
  type Publication,
  partitionCount,
  settled,
  type Worker,
  type World,
} from '../fixtures/fence-world.js'
import { command } from '../fixtures/swap.js'

// ---------------------------------------------------------------- what the fence log means

interface Meaning {
  readonly owner: string | undefined
  readonly claims: number
  /** by generation */
  readonly fences: ReadonlyMap<number, Fence>
}

/** Read in order: the owner of a partition is who claimed it last, and a fence counts when it is its owner's. */
function meaningOf(entries: readonly FenceEntry[], partition: number): Meaning {
  let owner: string | undefined
  let claims = 0
  const fences = new Map<number, Fence>()
  const mine = entries.filter(({ key }) => key.split('/')[2] === String(partition))
  for (const { key, fence } of mine) {
    const generation = Number(key.split('/')[3])
    if (!fence) fences.delete(generation)
    else if (generation === 0) {
      const number = Number(fence.command!.replace('claim ', ''))
      if (number > claims) [owner, claims] = [fence.worker, number]
    } else if (owner === undefined || owner === fence.worker) fences.set(generation, fence)
  }
  return { owner, claims, fences }
}

function scoredBy({ fences }: Meaning, offset: number): Fence | undefined {
  const below = [...fences.values()].filter((fence) => fence.offset <= offset)
  return below.sort((one, other) => other.generation - one.generation)[0]
}

const compacted = (entries: readonly FenceEntry[]): FenceEntry[] =>
  entries.filter(({ key }, index) => !entries.slice(index + 1).some((later) => later.key === key))

// ---------------------------------------------------------------- histories

type Step = (world: World) => unknown
interface Named {
  readonly step: Step
  toString(): string
}
const named = (name: string, step: Step): Named => ({ step, toString: () => name })

const [index, partition] = [fc.nat(3), fc.nat(partitionCount - 1)]
const small = fc.integer({ min: 1, max: 4 })
const running = ({ workers }: World, index: number) => {
  const alive = workers.filter(({ state }) => state !== 'dead')
  return alive[index % Math.max(1, alive.length)]
}
const toWorker = (name: string, step: (world: World, worker: World['workers'][number], n: number) => unknown) =>
  fc.tuple(index, small).map(([at, n]) =>
    named(`${name} ${at} ${n}`, (world) => {
      const worker = running(world, at)
      return worker && step(world, worker, n)
    }),
  )

const model = fc.constantFrom('m@1', 'm@2', 'm@3', 'm@bad')
const said = fc.oneof(
  { weight: 4, arbitrary: model.map((model) => ({ action: 'SWITCH' as const, model })) },
  model.map((model) => ({ action: 'PREPARE' as const, model })),
  fc.constant({ action: 'COMMIT' as const }),
  fc.constant({ action: 'ABORT' as const }),
  { weight: 2, arbitrary: fc.constant({ action: 'ROLLBACK' as const }) },
)
const commands = fc.tuple(said, fc.boolean()).map(([given, repeated]) =>
  named(`${given.action} ${'model' in given ? given.model : ''}${repeated ? ' repeated' : ''}`, (world) => {
    const one: ModelCommand = command({ ...given, ...(repeated && { id: 'repeated' }) })
    world.command(one)
  }),
)

const steps = fc.oneof(
  { weight: 4, arbitrary: commands },
  {
    weight: 4,
    arbitrary: fc
      .tuple(partition, fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }))
      .map(([partition, gaps]) => named(`produce ${partition} ${gaps}`, (world) => world.produce(partition, gaps))),
  },
  {
    weight: 10,
    arbitrary: fc.tuple(index, partition, small).map(([at, partition, count]) =>
      named(`fetch ${at} ${partition} ${count}`, (world) => {
        const worker = running(world, at)
        if (worker) world.fetch(worker, partition, count)
      }),
    ),
  },
  { weight: 8, arbitrary: toWorker('publish', (world, worker, n) => world.publish(worker, n)) },
  { weight: 4, arbitrary: toWorker('commit', (world, worker) => world.commit(worker)) },
  {
    weight: 3,
    arbitrary: toWorker('slow', (_, { fences, control }, n) => {
      fences.slow = n % 2 === 0
      control.slow = n > 2
    }),
  },
  { weight: 4, arbitrary: toWorker('write', (_, { fences }, n) => fences.write(n)) },
  {
    weight: 3,
    arbitrary: toWorker('read', (_, { fences, control }) => {
      fences.read()
      control.read()
    }),
  },
  {
    weight: 2,
    arbitrary: toWorker('load', (_, worker, n) => {
      worker.loadsHeld = n === 1
      if (!worker.loadsHeld) worker.releaseLoads()
    }),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(index, fc.boolean())
      .map(([first, drain]) =>
        named(`rebalance ${first}${drain ? ' in order' : ''}`, (world) => world.rebalance(first, drain)),
      ),
  },
  { weight: 1, arbitrary: partition.map((at) => named(`retain ${at}`, (world) => world.retain(at))) },
  { weight: 1, arbitrary: fc.constant(named('join', (world) => world.join())) },
  { weight: 2, arbitrary: toWorker('crash', (world, worker) => world.crash(worker)) },
  { weight: 2, arbitrary: toWorker('lose', (world, worker) => world.lose(worker)) },
  { weight: 1, arbitrary: toWorker('wake', (world, worker) => world.wake(worker)) },
  {
    weight: 2,
    arbitrary: index.map((at) =>
      named(`late ${at}`, ({ workers }) => {
        workers.filter(({ state }) => state === 'dead')[at]?.fences.write(1)
      }),
    ),
  },
)

/** Everything that was slow goes on, what is lost comes back, and a new worker scores all that is left. */
async function comeToRest(world: World): Promise<void> {
  world.broken.clear()
  for (const worker of world.workers) {
    worker.fences.write()
    if (worker.state === 'dead') continue
    Object.assign(worker.fences, { slow: false })
    Object.assign(worker.control, { slow: false })
    worker.control.read()
    worker.fences.read()
    worker.loadsHeld = false
    worker.releaseLoads()
    world.wake(worker)
  }
  await world.join()
  await until(() => world.workers.every(({ state, swap }) => state === 'dead' || swap.status.active !== undefined))
  for (let i = 0; i < partitionCount; i++) world.produce(i, [0])
  await world.rebalance(0, true)
  await until(() => {
    for (const worker of world.workers) {
      for (let i = 0; i < partitionCount; i++) world.fetch(worker, i, 4)
      world.publish(worker, Number.POSITIVE_INFINITY)
      world.commit(worker)
    }
    return world.input.every((offsets, i) => offsets.every((offset) => offset < world.committed[i]!))
  })
}

/** What waits between two tries is on a timer. Gives up in the end: the checks then say what is missing. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000 && !condition(); turn++) {
    await settled()
    if (turn > 20) await setTimeout(1)
  }
}

function check(world: World): void {
  const { publications, fences } = world
  expect(world.wrongs).toEqual([])
  for (let i = 0; i < partitionCount; i++) {
    const meaning = meaningOf(fences, i)
    const generations = new Map<number, number>()
    const digests = new Map<number, string>()
    for (const { partition, offset, generation, digest, at } of publications) {
      if (partition !== i) continue
      const where = `offset ${offset} of partition ${i}`
      // Before it was published its fence was in the log …
      expect(scoredBy(meaningOf(fences.slice(0, at), i), offset), where).toMatchObject({ generation, digest })
      // … and that is what the log says for good, so every publication says the same.
      if (offset >= world.firsts[i]!) expect(scoredBy(meaning, offset), where).toMatchObject({ generation, digest })
      expect([generations.get(offset) ?? generation, digests.get(offset) ?? digest], where).toEqual([
        generation,
        digest,
      ])
      generations.set(offset, generation)
      digests.set(offset, digest)
    }
    const inOrder = [...generations].sort(([one], [other]) => one - other).map(([, generation]) => generation)
    expect(inOrder).toEqual(inOrder.toSorted((one, other) => one - other))
    expect([...generations.keys()].sort((one, other) => one - other)).toEqual(world.input[i])
    expect([...meaningOf(compacted(fences), i).fences.keys()].sort()).toEqual([...meaning.fences.keys()].sort())
    expect(meaning.fences.size).toBeLessThanOrEqual(new Set(fences.map(({ fence }) => fence?.generation)).size)
  }
}

test('whatever happens to workers and logs, each offset has one generation, and the fence log says which', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 10, maxLength: 80, size: 'max' }), async (history) => {
      const world = createWorld()
      try {
        await world.join()
        await world.join()
        await world.rebalance(0, true)
        for (const { step } of history) {
          await step(world)
          await settled()
        }
        await comeToRest(world)
        check(world)
      } finally {
        await world.close()
      }
    }),
    { numRuns: 150 },
  )
})

/** A world of two workers that have one partition each. */
const twoWorkers = async () => {
  const world = createWorld()
  onTestFinished(() => world.close())
  await world.join()
  await world.join()
  await world.rebalance(0, true)
  const [first, second] = world.workers as [Worker, Worker]
  return { world, first, second }
}

test('a fence under way stands when a worker that has lost the partition writes another in its place', async () => {
  const { world, first: owner, second: lost } = await twoWorkers()
  world.produce(1, [0])
  world.lose(lost)
  lost.fences.slow = true
  await world.rebalance(0, true)
  owner.fences.slow = true
  world.fetch(owner, 1, 1)
  world.fetch(lost, 1, 1)
  lost.fences.write()
  await settled()
  owner.fences.read()
  owner.fences.write(2)
  owner.fences.read()
  await settled()
  // Should the owner crash now, what it has published must be explained by what is in the log.
  world.publish(owner, 1)
  expect(world.publications).toHaveLength(1)
  const [{ generation, digest, at }] = world.publications as [Publication]
  expect(scoredBy(meaningOf(world.fences.slice(0, at), 1), 0)).toMatchObject({ generation, digest })
})

test('a worker that has lost a partition publishes nothing of it once it has read that another claimed it', async () => {
  const { world, second: lost } = await twoWorkers()
  world.produce(1, [0])
  world.fetch(lost, 1, 1)
  await settled()
  world.publish(lost, 1)
  expect(world.publications).toHaveLength(1)
  world.produce(1, [0])
  world.lose(lost)
  await world.rebalance(0, true)
  world.fetch(lost, 1, 1)
  await settled()
  world.publish(lost, 1)
  expect(world.publications).toHaveLength(1)
})

test('a commit that cannot be followed and is rolled back at once leaves nobody waiting', async () => {
  const { world, first } = await twoWorkers()
  first.control.slow = true
  for (const said of ['SWITCH m@2', 'PREPARE m@bad', 'COMMIT', 'ROLLBACK']) {
    const [action, model = null] = said.split(' ') as [ModelCommand['action'], string?]
    world.command(command({ action, model }))
  }
  first.control.read()
  await settled()
  world.produce(0, [0])
  world.fetch(first, 0, 1)
  await settled()
  world.publish(first, 1)
  expect(world.publications).toHaveLength(1)
})
