/** Bundles that come over the models topic: every worker puts them together, checks them and keeps them in its store. */
import type { Kafka } from 'kafkajs'
import { lineOf, MillraceError } from '../stages/errors.js'
import type { SourceRecord } from '../stages/ports.js'
import { createBackoff, pause, settles } from './backoff.js'
import type { EventLog } from './event-log.js'
import { partitionEdges } from './kafka/log.js'
import { readTopic } from './kafka/topic-reader.js'
import { archiveLimits } from './model/archive.js'
import { createAssembler, type Refusal } from './model/assembler.js'
import { readChunk } from './model/chunks.js'
import type { BundleStore } from './model/store.js'
import { isLastOf, type PushPosition, positionAfter, readPosition, writePosition } from './push-position.js'

export interface PushedBundlesOptions {
  readonly kafka: Kafka
  /** the models topic */
  readonly topic: string
  readonly store: BundleStore
  readonly directory: string
  /** false: what is pushed is refused, with an event */
  readonly mutable: boolean
  /** only signed bundles count: one that is here without a signature is taken again */
  readonly signedOnly: boolean
  readonly maxStoreBytes?: number
  readonly onEvent: EventLog['emit']
  readonly onState: (state: string, detail: string) => void
  readonly signal: AbortSignal
}

export interface PushedBundles {
  /** Resolves when everything that is in the topic at the time of the call is stored or refused. Waits for the broker. */
  catchUp(): Promise<void>
  /** Gives up what has not arrived whole. */
  close(): Promise<void>
}

const expireEveryMs = 60_000

/** Begins at once, where the reading ended before this start. Nothing is fetched while the disk is busy. */
export function followPushes(options: PushedBundlesOptions): PushedBundles {
  const { kafka, topic, store, directory, mutable, onEvent, signal } = options
  const waiters = new Set<{ readonly offset: number; readonly resolve: () => void }>()
  /** everything below is stored or refused */
  let next = 0
  /** where the topic ended when this worker came: what lies below is no news */
  let newFrom = Number.POSITIVE_INFINITY

  const refuse = ({ ref, digest, error }: Refusal) =>
    onEvent({ type: 'failed', model: ref ?? null, digest: digest ?? null, code: error.code, reason: error.message })
  const stored = (model: string, digest: string, reason: string) => onEvent({ type: 'stored', model, digest, reason })

  const has = async (digest: string): Promise<boolean> => {
    const found = await store.find(digest).catch(() => undefined)
    if (!found || (options.signedOnly && !found.signed)) return false
    if (next >= newFrom) stored(found.ref, digest, 'it was here already')
    return true
  }
  const assembler = createAssembler({
    maxBytes: Math.min(archiveLimits.packedBytes, options.maxStoreBytes ?? Number.POSITIVE_INFINITY),
    directory,
    has,
    onRefused: refuse,
    async onBundle({ path, ref, digest, bytes }) {
      await store.put(path, { ref, digest })
      stored(ref, digest, `${bytes} bytes came over ${topic}`)
    },
  })

  const take = async (record: SourceRecord) => {
    if (mutable) return assembler.feed(record)
    const said = readChunk(record)
    if (said?.kind !== 'end') return
    const { ref, digest } = said
    refuse({
      ref,
      digest,
      error: new MillraceError('store-immutable', `${ref} was pushed, and bundles.mutable is false`),
    })
  }

  const reached = (offset: number) => {
    next = offset
    for (const waiter of waiters)
      if (waiter.offset <= next) {
        waiters.delete(waiter)
        waiter.resolve()
      }
  }

  /** Reads on from `next`. With `known` it begins at the record before, and returns when that is another one than it was. */
  const read = async (known: PushPosition | undefined): Promise<void> => {
    let expected = known
    const from = new Map([[0, known ? known.offset - 1 : next]])
    for await (const { records } of readTopic(kafka, topic, { from, follow: true, signal, onState: options.onState })) {
      const last = records[records.length - 1] as SourceRecord
      for (const record of records) {
        if (expected && !isLastOf(expected, record)) return
        if (!expected) await take(record)
        expected = undefined
        reached(record.offset + 1)
      }
      if (mutable && assembler.open === 0) await writePosition(directory, topic, positionAfter(last))
    }
  }

  const follow = async () => {
    options.onState('connecting', topic)
    const { first, end } = await edgesInSight()
    options.onState('running', topic)
    newFrom = end
    const saved = mutable ? await readPosition(directory, topic) : undefined
    let known = saved && saved.offset > first && saved.offset <= end ? saved : undefined
    reached(known?.offset ?? (mutable ? first : end))
    for (const backoff = createBackoff(); !signal.aborted; known = undefined) {
      const before = next
      await read(known).catch(async (error) => {
        options.onState('waiting', lineOf(error))
        await backoff.wait(signal)
      })
      // The record before is not the one it was: the topic was made anew.
      if (known && next === before) next = first
    }
  }

  const edges = async (onWaiting?: (detail: string) => void) =>
    (await partitionEdges(kafka, topic, [0], signal, onWaiting))[0]!
  /** A right that is missing is waited for too: it is only pushes that need it. */
  const edgesInSight = async () => {
    const waits = (detail: string) => options.onState('waiting', detail)
    for (const backoff = createBackoff(); ; await backoff.wait(signal)) {
      try {
        return await edges(waits)
      } catch (error) {
        signal.throwIfAborted()
        waits(lineOf(error))
      }
    }
  }
  const until = (offset: number): Promise<void> =>
    offset <= next ? Promise.resolve() : new Promise((resolve) => waiters.add({ offset, resolve }))

  const following = follow().catch((error) => {
    if (!signal.aborted) options.onState('waiting', lineOf(error))
  })
  const expiring = (async () => {
    for (; !signal.aborted; await pause(expireEveryMs, signal)) await assembler.expire(Date.now())
  })()

  return {
    async catchUp() {
      await until((await edges()).end)
    },
    async close() {
      await Promise.all([following, expiring])
      await assembler.close()
    },
  }
}

const patienceMs = 10_000

/** The store as whoever loads from it needs it: what is not there may be on its way. */
export const withPushed = (store: BundleStore, pushed: PushedBundles): Pick<BundleStore, 'find' | 'load'> => ({
  load: store.load,
  async find(ref, digest) {
    try {
      return await store.find(ref, digest)
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'model-unknown') throw error
      await settles(pushed.catchUp(), patienceMs)
      return store.find(ref, digest)
    }
  },
})
