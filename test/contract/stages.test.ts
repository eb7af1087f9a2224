/** What every stage promises, whatever it does: each is run through the same clauses, and so is the pipe of them all. */
import { EMPTY, type OperatorFunction, pipe, Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { awaitFences } from '../../stages/await-fences.js'
import { commit } from '../../stages/commit.js'
import { createCredits } from '../../stages/credits.js'
import { decode } from '../../stages/decode.js'
import { encode } from '../../stages/encode.js'
import { infer } from '../../stages/infer.js'
import { createLeases } from '../../stages/leases.js'
import { microBatch } from '../../stages/micro-batch.js'
import type {
  Covered,
  Decoded,
  Encoded,
  FenceGate,
  Fetched,
  MicroBatch,
  PredictionEncoder,
  RecordDecoder,
} from '../../stages/ports.js'
import { publish } from '../../stages/publish.js'
import { refund } from '../../stages/refund.js'
import { createClock } from '../fixtures/async-marbles.js'
import {
  always,
  decoded,
  decoder,
  encodedOf,
  encoder,
  fetched,
  generation,
  microBatchOf,
  scoredOf,
} from '../fixtures/stage-values.js'

const inputs = 6
const recordsPerInput = 3

function createWorld() {
  const broken = new Error('broken port')
  const clock = createClock()
  const leases = createLeases()
  const credits = createCredits({ records: 1_000, bytes: 1_000_000 })
  const one = generation(1)
  return { clock, scheduler: clock.scheduler, leases, credits, one, broken }
}
type World = ReturnType<typeof createWorld>

interface Contract<In, Out> {
  build(world: World): OperatorFunction<In, Out>
  /** the same with a port that fails */
  buildBroken?(world: World): OperatorFunction<In, Out>
  input(run: Fetched, world: World): In
  /** parts of a value that came out */
  parts(out: Out): readonly Covered[]
  /** leases that one input brings along, and that are left for each part that came out */
  readonly leases: { readonly brought: number; readonly left: number }
}

/** Turns of two partitions, three records each. */
function runOf(index: number): Fetched {
  const start = Math.floor(index / 2) * recordsPerInput
  return fetched(
    index % 2,
    start,
    Array.from({ length: recordsPerInput }, (_, i) => start + i),
  )
}

async function start<In, Out>(
  contract: Contract<In, Out>,
  stage: 'build' | 'buildBroken' = 'build',
  world = createWorld(),
) {
  const source = new Subject<In>()
  const seen = { values: [] as Out[], error: undefined as unknown, completed: false }
  const subscription = source.pipe(contract[stage]!(world)).subscribe({
    next: (value) => seen.values.push(value),
    error: (error) => {
      seen.error = error
    },
    complete: () => {
      seen.completed = true
    },
  })
  async function send(count: number, from = 0): Promise<void> {
    for (let i = from; i < from + count; i++) {
      const run = runOf(i)
      for (let n = 0; n < contract.leases.brought; n++) world.leases.retain(world.one)
      await world.credits.take(run.records.length, run.bytes)
      source.next(contract.input(run, world))
    }
  }
  return { world, source, seen, subscription, send }
}

function contract<In, Out>(name: string, subject: Contract<In, Out>): void {
  const partsOf = (values: readonly Out[]) => values.flatMap((value) => [...subject.parts(value)])

  describe(`${name}, like every stage,`, () => {
    it('hands everything on in the order of each partition, then completes', async () => {
      const { world, source, seen, send } = await start(subject)
      await send(inputs)
      source.complete()
      await world.clock.advance(100)
      expect(seen).toMatchObject({ error: undefined, completed: true })
      for (const partition of [0, 1]) {
        let next = 0
        for (const part of partsOf(seen.values).filter((one) => one.partition === partition)) {
          expect(part.start).toBe(next)
          next = part.next
        }
        expect(next).toBe((inputs / 2) * recordsPerInput)
      }
    })

    it('completes when its source is empty', () => {
      let completed = false
      EMPTY.pipe(subject.build(createWorld())).subscribe({
        complete: () => {
          completed = true
        },
      })
      expect(completed).toBe(true)
    })

    it('passes an error of its source on at once, and nothing after it', async () => {
      const { world, source, seen, send } = await start(subject)
      await send(2)
      source.error('upstream')
      expect(seen.error).toBe('upstream')
      const count = seen.values.length
      await world.clock.advance(100)
      expect([seen.values.length, seen.completed]).toEqual([count, false])
    })

    it('lets go of its source and hands nothing on once unsubscribed', async () => {
      const { world, source, seen, subscription, send } = await start(subject)
      await send(2)
      subscription.unsubscribe()
      expect(source.observed).toBe(false)
      const count = seen.values.length
      await world.clock.advance(100)
      expect([seen.values.length, seen.completed, seen.error]).toEqual([count, false, undefined])
    })

    it('can be unsubscribed from within a value', async () => {
      const { world, source, seen, subscription, send } = await start(subject)
      const { push } = seen.values
      seen.values.push = (...values) => {
        subscription.unsubscribe()
        return push.apply(seen.values, values)
      }
      await send(inputs)
      await world.clock.advance(100)
      expect([seen.values.length, source.observed]).toEqual([1, false])
    })

    it.each(['completes', 'errors', 'is unsubscribed'])(
      'leaves no timer and no subscription behind when it %s',
      async (end) => {
        const { world, source, subscription, send } = await start(subject)
        await send(3)
        if (end === 'completes') source.complete()
        else if (end === 'errors') source.error('upstream')
        else subscription.unsubscribe()
        if (end === 'completes') await world.clock.advance(100)
        expect([world.scheduler.actions.length, source.observed]).toEqual([0, false])
      },
    )

    it('accounts for every lease: one for each part it handed on, none when they are given back', async () => {
      const { world, source, seen, send } = await start(subject)
      await send(inputs)
      source.complete()
      await world.clock.advance(100)
      expect(world.one.leases).toBe(subject.leases.left * partsOf(seen.values).length)
      world.leases.releaseAll()
      expect(world.one.leases).toBe(0)
    })

    it('keeps no state between subscriptions', async () => {
      const world = createWorld()
      const stage = subject.build(world)
      const shared = { ...subject, build: () => stage }
      const first = await start(shared, 'build', world)
      await first.send(3)
      first.subscription.unsubscribe()
      const second = await start(shared, 'build', world)
      await second.send(2)
      second.source.complete()
      await world.clock.advance(100)
      expect(second.seen.completed).toBe(true)
      expect(partsOf(second.seen.values).filter(({ start }) => start === 0)).toHaveLength(2)
    })

    if (subject.buildBroken) {
      it('errors when what stands behind it fails, and lets go of its source', async () => {
        const { world, source, seen, send } = await start(subject, 'buildBroken')
        await send(1)
        await world.clock.advance(100)
        expect([seen.error, seen.completed, source.observed]).toEqual([world.broken, false, false])
        expect(world.scheduler.actions).toHaveLength(0)
      })
    }
  })
}

const oneEach = { brought: 1, left: 1 }
const brokenDecoder = (error: Error): RecordDecoder => ({
  decode: () => {
    throw error
  },
})
const brokenEncoder = (error: Error): PredictionEncoder => ({
  encode: () => {
    throw error
  },
})
const limits = { maxRecords: 4, maxBytes: 10_000, maxDelayMs: 5 }
const batchOf = (run: Fetched, { one }: World) => microBatchOf(decoded(run, one))
/** The fence of each partition takes a while, once. */
function slowWrites(): FenceGate['written'] {
  const pending = new Map<number, Promise<void> | undefined>()
  return (_topic, partition) => {
    if (!pending.has(partition)) {
      const written = new Promise((resolve) => setImmediate(resolve)).then(() => void pending.set(partition, undefined))
      pending.set(partition, written)
    }
    return pending.get(partition)
  }
}
const partsOfBatch = ({ parts }: MicroBatch) => parts

contract<Fetched, Decoded>('decode', {
  build: ({ one, leases }) => decode({ choice: always(one), decoder, leases }),
  buildBroken: ({ one, leases, broken }) => decode({ choice: always(one), decoder: brokenDecoder(broken), leases }),
  input: (run) => run,
  parts: (part) => [part],
  leases: { brought: 0, left: 1 },
})

contract<Fetched, Decoded>('decode, while schemas are fetched', {
  build: ({ one, leases }) =>
    decode({ choice: always(one), decoder: { decode: async (...it) => decoder.decode(...it) }, leases }),
  buildBroken: ({ one, leases, broken }) =>
    decode({ choice: always(one), decoder: { decode: () => Promise.reject(broken) }, leases }),
  input: (run) => run,
  parts: (part) => [part],
  leases: { brought: 0, left: 1 },
})

contract<Decoded, MicroBatch>('microBatch', {
  build: ({ leases, scheduler }) => microBatch({ limits: () => limits, leases, scheduler }),
  input: (run, { one }) => decoded(run, one),
  parts: partsOfBatch,
  leases: oneEach,
})

contract('infer', {
  build: ({ scheduler }) => infer({ concurrency: 2, scheduler }),
  buildBroken: ({ one, scheduler, broken }) => {
    one.scorer.score = () => Promise.reject(broken)
    return infer({ concurrency: 2, scheduler })
  },
  input: batchOf,
  parts: partsOfBatch,
  leases: oneEach,
})

contract('encode', {
  build: () => encode({ encoder, maxRecordBytes: 1_000 }),
  buildBroken: ({ broken }) => encode({ encoder: brokenEncoder(broken), maxRecordBytes: 1_000 }),
  input: (run, world) => scoredOf(batchOf(run, world)),
  parts: ({ batch }) => batch.parts,
  leases: oneEach,
})

const encodedInput = {
  input: (run: Fetched, world: World) => encodedOf(batchOf(run, world)),
  parts: ({ batch }: Encoded) => batch.parts,
}

contract<Encoded, Encoded>('awaitFences', {
  ...encodedInput,
  build: () => awaitFences({ gate: { written: () => undefined } }),
  buildBroken: ({ broken }) => awaitFences({ gate: { written: () => Promise.reject(broken) } }),
  leases: oneEach,
})

contract<Encoded, Encoded>('awaitFences, while fences are written', {
  ...encodedInput,
  build: () => awaitFences({ gate: { written: slowWrites() } }),
  leases: oneEach,
})

contract<Encoded, Encoded>('publish', {
  ...encodedInput,
  build: () => publish({ publisher: { publish: async () => {} } }),
  buildBroken: ({ broken }) => publish({ publisher: { publish: () => Promise.reject(broken) } }),
  leases: oneEach,
})

contract<Encoded, Encoded>('commit', {
  ...encodedInput,
  build: ({ scheduler }) => commit({ committer: async () => {}, everyMs: 3, scheduler }),
  buildBroken: ({ scheduler, broken }) => commit({ committer: () => Promise.reject(broken), everyMs: 3, scheduler }),
  leases: oneEach,
})

contract<Encoded, Encoded>('refund', {
  ...encodedInput,
  build: ({ credits, leases }) => refund({ credits, leases }),
  leases: { brought: 1, left: 0 },
})

contract<Fetched, Encoded>('the pipe', {
  build: ({ one, leases, credits, scheduler }) =>
    pipe(
      decode({ choice: always(one), decoder, leases }),
      microBatch({ limits: () => limits, leases, scheduler }),
      infer({ concurrency: 2, scheduler }),
      encode({ encoder, maxRecordBytes: 1_000 }),
      awaitFences({ gate: { written: () => undefined } }),
      publish({ publisher: { publish: async () => {} } }),
      commit({ committer: async () => {}, everyMs: 3, scheduler }),
      refund({ credits, leases }),
    ),
  input: (run) => run,
  parts: ({ batch }) => batch.parts,
  leases: { brought: 0, left: 0 },
})
