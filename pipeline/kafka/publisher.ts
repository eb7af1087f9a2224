import type { CompressionTypes, Kafka } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import { FewMembers } from '../../stages/few-entries.js'
import type { OutputKind, Publisher } from '../../stages/ports.js'
import { createBackoff, settles } from '../backoff.js'
import { describeKafkaError, isRefusal, kafkaErrorType } from './errors.js'
import { type Chunk, createLanes } from './lanes.js'
import { createSender, requestLimits } from './sender.js'
import { halved, isTooLarge, tooLargeError } from './too-large.js'

export interface PublisherOptions {
  readonly kafka: Kafka
  /** of the kinds that are published */
  readonly topics: Readonly<Partial<Record<OutputKind, string>>>
  /** true, the default: a send that is repeated after a lost answer does not appear twice */
  readonly idempotent?: boolean
  readonly compression?: CompressionTypes
  /** `waiting` is said with what is waited for, `running` when it goes on */
  readonly onState?: (state: 'running' | 'waiting', detail: string) => void
}

export interface KafkaPublisher extends Publisher {
  /**
   * Resolves once connected; waits for the broker for ever, or until `close`. Rejects with `credentials-refused`, `tls-failed` or `not-authorized`: at
   * the start these are mistakes, while later on they are waited out.
   */
  connect(): Promise<void>
  /** Rejects what is not acknowledged yet (drain first) and disconnects. Idempotent. */
  close(): Promise<void>
}

/** The broker's books and the producer's do not agree any more: only a new producer, with a new id, goes on. */
const producerLost = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
])

/**
 * Sends to the partition that is asked for; resolves when all in-sync replicas have the records. One request is out at a time and takes
 * along what has gathered meanwhile for every partition: a retry never overtakes, and batches grow with the load. What a person can mend
 * while it runs (broker away, topic missing, right missing, record larger than the topic takes) is waited for, visibly. `publish` rejects
 * with `partitions-differ` when an output topic lacks the partition, from then on always; and when the publisher is closed.
 */
export const createPublisher = (options: PublisherOptions): KafkaPublisher => {
  const topicOf = (kind: OutputKind): string => {
    const topic = options.topics[kind]
    if (topic === undefined) throw new MillraceError('internal', `this publisher has no topic for ${kind}`)
    return topic
  }
  const closing = new AbortController()
  const backoff = createBackoff(100, 5_000)
  const lanes = createLanes()
  const sender = createSender(options)
  const unacknowledged = new FewMembers<(error: unknown) => void>()
  let limits = requestLimits()
  let pumping: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined
  let waiting = false

  const waitOut = async (error: MillraceError) => {
    waiting = true
    options.onState?.('waiting', error.line)
    await backoff.wait(closing.signal)
  }
  const wentWell = () => {
    backoff.reset()
    if (waiting) options.onState?.('running', 'publishing again')
    waiting = false
  }
  const fail = (error: unknown) => {
    failure ??= { error }
    lanes.clear()
    for (const reject of unacknowledged) reject(failure.error)
    unacknowledged.clear()
  }

  /** The same chunks until they are through: the broker knows a repeated batch only if it is the same. False: cut them anew. */
  const sendUntilDone = async (chunks: readonly Chunk[]): Promise<boolean> => {
    let partitionLacked = false
    while (!closing.signal.aborted) {
      try {
        await sender.send(chunks)
        return true
      } catch (error) {
        const type = kafkaErrorType(error) ?? ''
        const described = describeKafkaError(error, topicsOf(chunks))
        if (described.code === 'partitions-differ') {
          if (partitionLacked) throw described
          // Once more with fresh metadata: the partition may be new.
          partitionLacked = true
          await sender.drop()
        } else if (isTooLarge(error)) {
          await sender.drop()
          const smaller = halved(limits, chunks)
          if (smaller) {
            limits = smaller
            return false
          }
          await waitOut(tooLargeError(chunks))
        } else {
          if (producerLost.has(type)) await sender.drop()
          await waitOut(described)
        }
      }
    }
    return false
  }

  const pump = async () => {
    try {
      while (lanes.size > 0 && !closing.signal.aborted) {
        const chunks = lanes.front(limits)
        if (!(await sendUntilDone(chunks))) continue
        wentWell()
        for (const chunk of chunks) lanes.settle(chunk)
      }
    } catch (error) {
      fail(error)
    } finally {
      pumping = undefined
    }
  }

  return {
    connect: async () => {
      while (!closing.signal.aborted) {
        try {
          await sender.connect()
          return wentWell()
        } catch (error) {
          const described = describeKafkaError(error)
          if (isRefusal(described)) throw described
          await waitOut(described)
        }
      }
    },
    publish: (outgoing) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure.error)
        const wanted = outgoing.filter(({ records }) => records.length > 0)
        if (wanted.length === 0) return resolve()
        let left = wanted.length
        unacknowledged.add(reject)
        const acknowledge = () => {
          left -= 1
          if (left > 0) return
          unacknowledged.delete(reject)
          resolve()
        }
        for (const { kind, partition, records } of wanted) lanes.add(topicOf(kind), partition, records, acknowledge)
        // In a microtask, so that what is published in the same turn shares a request.
        pumping ??= Promise.resolve().then(pump)
      }),
    close: async () => {
      closing.abort()
      fail(new MillraceError('timed-out', 'the publisher was closed before the broker had acknowledged'))
      // A request that a silent broker has is not waited for: dropping its producer ends it.
      if (pumping) await settles(pumping, 2_000)
      await sender.drop()
    },
  }
}

const topicsOf = (chunks: readonly Chunk[]): string => [...new Set(chunks.map(({ topic }) => topic))].join(', ')
