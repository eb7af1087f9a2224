/**
 * The transactions of one input partition, one after the other. What is published while one commits waits for the next.
 *
 * When anything goes wrong, the producer is thrown away and its id taken anew. That settles the transaction that was open: it is aborted, or
 * committed if the broker had got that far. Which of the two, the committed offset tells: at `next`, it is done; where it stood before, all of
 * it is sent again; anywhere else, another worker has taken the partition over, and this one is out.
 */
import { MillraceError } from '../../stages/errors.js'
import type { Covered, OutgoingRecord, TopicPartition } from '../../stages/ports.js'
import { recordBytes } from '../../stages/record-bytes.js'
import { createBackoff, pause } from '../backoff.js'
import { describeKafkaError, kafkaErrorType } from './errors.js'
import { createLanes } from './lanes.js'
import { requestLimits } from './sender.js'
import { halved, isTooLarge, tooLargeError } from './too-large.js'
import type { TransactionalProducer } from './transactional-producer.js'

/** What was made of a range of input records. */
export interface Portion {
  readonly covered: Covered
  readonly parts: readonly {
    readonly topic: string
    readonly partition: number
    readonly records: readonly OutgoingRecord[]
  }[]
}

export interface TransactionLaneOptions {
  readonly input: TopicPartition
  readonly producer: TransactionalProducer
  /** What the group has committed of the partition; null: nothing. */
  readonly committed: () => Promise<number | null>
  /** so often what is there is committed: none waits for longer … */
  readonly intervalMs: number
  /** when in the interval, a part of it from 0 (exclusive) to 1: lanes that commit in turn wait less for one another */
  readonly phase: number
  /** … or with this many records */
  readonly maxRecords: number
  readonly onWaiting: (reason: string) => void
  readonly onRunning: () => void
  /** Told of every transaction that has ended. */
  readonly onEnded?: (result: 'committed' | 'aborted') => void
}

export interface TransactionLane {
  /** Takes the transactional id; waits out infrastructure, until `signal` aborts. */
  open(signal: AbortSignal): Promise<void>
  /** Resolves once committed. Portions are given in the order of their offsets, without gaps. */
  add(portion: Portion): Promise<void>
  /** Aborts what is not committed and rejects it with `error`. Idempotent. */
  close(error: MillraceError): Promise<void>
}

interface Waiting extends Portion {
  readonly records: number
  readonly bytes: number
  resolve(): void
  reject(error: unknown): void
}

/** What waits is sent before the transaction's time is over, once it fills a request. */
const sendBytes = 128 * 1024

const fencedTypes = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH'])

export const createTransactionLane = (options: TransactionLaneOptions): TransactionLane => {
  const { producer, input } = options
  const name = `${input.topic} ${input.partition}`
  const closing = new AbortController()
  const backoff = createBackoff(50, 5_000)
  const waiting: Waiting[] = []
  let waitingBytes = 0
  let waitingRecords = 0
  /** in the transaction that is open */
  let taken: Waiting[] = []
  let takenRecords = 0
  /** a moment at which the lane commits, and from there every `intervalMs` */
  let beat = performance.now()
  let limits = requestLimits()
  let committed: number | null = null
  let opening: Promise<void> | undefined
  let running: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined
  let wake = () => {}

  const waitOut = async (error: MillraceError, signal = closing.signal) => {
    options.onWaiting(`${name}: ${error.line}`)
    await backoff.wait(signal)
  }
  const fenced = (cause?: unknown) => new MillraceError('producer-fenced', name, { cause })

  const take = (): Waiting[] => {
    const portions = waiting.splice(0)
    taken.push(...portions)
    takenRecords += waitingRecords
    waitingBytes = 0
    waitingRecords = 0
    return portions
  }

  const isFull = () => takenRecords + waitingRecords >= options.maxRecords

  const send = async (portions: readonly Waiting[]) => {
    const lanes = createLanes()
    for (const { topic, partition, records } of portions.flatMap(({ parts }) => parts))
      if (records.length > 0) lanes.add(topic, partition, records, () => undefined)
    while (lanes.size > 0) {
      const chunks = lanes.front(limits)
      try {
        await producer.send(chunks)
      } catch (error) {
        if (!isTooLarge(error)) throw error
        const smaller = halved(limits, chunks)
        if (!smaller) throw tooLargeError(chunks)
        limits = smaller
        throw error
      }
      for (const chunk of chunks) lanes.settle(chunk)
    }
  }

  /** With what the transaction has covered; a portion was taken. */
  const cover = () => producer.cover(taken[taken.length - 1]!.covered)

  const nextBeat = (after: number): number => {
    const { intervalMs } = options
    return after + intervalMs - ((after - beat) % intervalMs)
  }

  /** Sends what comes until the time of the transaction is over, or it is full: at first at once, so that it is open when the rest is there. */
  const gather = async () => {
    const deadline = nextBeat(performance.now())
    let begun = false
    while (!closing.signal.aborted) {
      const leftMs = deadline - performance.now()
      const last = leftMs <= 0 || isFull()
      if (!begun || last || waitingBytes >= sendBytes) {
        const portions = take()
        // The offset need not wait for the answer to the last records; the first have told the transaction that there will be one.
        if (last && begun) return void (await Promise.all([send(portions), cover()]))
        await send(portions)
        if (last) return cover()
        begun = true
        continue
      }
      const woken = new AbortController()
      wake = () => woken.abort()
      await pause(leftMs, woken.signal)
    }
  }

  const expectOneOf = async (before: number | null, after: number) => {
    const now = await options.committed()
    if (now !== before && now !== after) throw fenced()
    return now
  }

  /** Takes the id anew: true when the transaction had been committed after all. */
  const recover = async (cause: unknown, next: number): Promise<boolean> => {
    let error = cause
    let lacked = false
    for (;;) {
      await producer.drop()
      if (closing.signal.aborted) throw error
      if (fencedTypes.has(kafkaErrorType(error) ?? '')) throw fenced(error)
      const described = describeKafkaError(error)
      if (described.code === 'partitions-differ') {
        // Once more with fresh metadata: the partition may be new.
        if (lacked) throw described
        lacked = true
      } else if (!isTooLarge(error)) await waitOut(described)
      if (closing.signal.aborted) throw error
      try {
        // Asked before, too: to take the id from a new owner would only make it start over.
        await expectOneOf(committed, next)
        await producer.open()
        if ((await expectOneOf(committed, next)) === next) return true
        await send(taken)
        await cover()
        return false
      } catch (again) {
        if (again instanceof MillraceError && again.code === 'producer-fenced') throw again
        error = again
      }
    }
  }

  const transact = async () => {
    let sending: Promise<unknown> = gather()
    for (;;) {
      const sent = await sending.then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      const last = taken[taken.length - 1]
      if (closing.signal.aborted || last === undefined) return
      const { next } = last.covered
      try {
        if (sent) throw sent.error
        await producer.commit()
        return settle(next)
      } catch (error) {
        if (await recover(error, next)) return settle(next)
        options.onEnded?.('aborted')
        sending = Promise.resolve()
      }
    }
  }

  const settle = (next: number) => {
    committed = next
    backoff.reset()
    options.onEnded?.('committed')
    options.onRunning()
    takenRecords = 0
    for (const { resolve } of taken.splice(0)) resolve()
  }

  const takeId = async (signal: AbortSignal) => {
    while (!signal.aborted && !closing.signal.aborted) {
      try {
        await producer.open()
        committed = await options.committed()
        beat = performance.now() - (1 - options.phase) * options.intervalMs
        backoff.reset()
        return options.onRunning()
      } catch (error) {
        await producer.drop()
        await waitOut(describeKafkaError(error), signal)
      }
    }
  }

  const rejectAll = (error: unknown) => {
    failure ??= { error }
    if (taken.length > 0) options.onEnded?.('aborted')
    for (const { reject } of [...taken, ...waiting]) reject(failure.error)
    taken = []
    waiting.length = 0
  }

  const run = async () => {
    try {
      while (waiting.length > 0 && !closing.signal.aborted) await transact()
    } catch (error) {
      rejectAll(error)
      await producer.drop()
    } finally {
      running = undefined
    }
  }

  return {
    open(signal) {
      opening = takeId(signal)
      return opening
    },
    add: (portion) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure.error)
        let [records, bytes] = [0, 0]
        for (const part of portion.parts) {
          records += part.records.length
          for (const record of part.records) bytes += recordBytes(record)
        }
        waiting.push({ covered: portion.covered, parts: portion.parts, records, bytes, resolve, reject })
        waitingRecords += records
        waitingBytes += bytes
        // What only waits for its time wakes nobody.
        if (waitingBytes >= sendBytes || isFull()) wake()
        running ??= run()
      }),
    async close(error) {
      closing.abort()
      wake()
      rejectAll(error)
      // An id that is still being taken would be taken from the next who has it.
      await opening
      await producer.drop()
      await running
    },
  }
}
