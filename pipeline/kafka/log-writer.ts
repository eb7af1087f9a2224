import kafkajs, { type Kafka, type Producer } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { Headers } from '../../stages/ports.js'
import { settles } from '../backoff.js'
import { describeKafkaError } from './errors.js'

export interface LogWriter {
  /**
   * Appends to partition 0, in the order of the calls; resolves with the offset once all in-sync replicas have the record. What is appended
   * while a request is out goes into the next one together. Rejects with a `MillraceError` after a few seconds without success; the entries
   * after it are tried all the same.
   */
  append(key: Buffer | string | null, value: Buffer | null, headers?: Headers): Promise<number>
  /** Waits for what was appended, `patienceMs` at most; rejects what still waits then, and disconnects. Idempotent. */
  close(patienceMs?: number): Promise<void>
}

interface Entry {
  readonly message: { key: Buffer | string | null; value: Buffer | null; headers?: Headers; partition: 0 }
  readonly resolve: (offset: number) => void
  readonly reject: (error: Error) => void
}

const retry = { initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 5 }
/** entries of one request; chunks of bundles have half a megabyte each */
const maxEntries = 100
const maxBytes = 900 * 1024

/** Writes a topic of one partition. Connects with the first append. */
export const createLogWriter = (kafka: Kafka, topic: string): LogWriter => {
  const waiting: Entry[] = []
  let producer: Producer | undefined
  let pumping: Promise<void> | undefined
  let closed = false

  const connected = async (): Promise<Producer> => {
    if (producer) return producer
    producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry,
    })
    await producer.connect()
    return producer
  }
  const disconnect = async (limitMs: number) => {
    const old = producer
    producer = undefined
    if (old) await settles(old.disconnect(), limitMs)
  }

  const send = async (entries: readonly Entry[]) => {
    try {
      const messages = entries.map(({ message }) => message)
      const [sent] = await (await connected()).send({ topic, messages, acks: -1 })
      if (sent?.baseOffset === undefined) throw new MillraceError('topic-missing', topic)
      const first = Number(sent.baseOffset)
      entries.forEach(({ resolve }, index) => {
        resolve(first + index)
      })
    } catch (error) {
      // The broker's books and this producer's may differ now: begin with a new one.
      await disconnect(1_000)
      const described = describeKafkaError(error, topic)
      for (const { reject } of entries) reject(described)
    }
  }

  const pump = async () => {
    while (waiting.length > 0) await send(takeRequest(waiting))
    pumping = undefined
  }

  return {
    append: (key, value, headers) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new MillraceError('internal', `the writer of ${topic} is closed`))
        waiting.push({ message: { key, value, headers, partition: 0 }, resolve, reject })
        // In a microtask, so that what is appended in the same turn shares a request.
        pumping ??= Promise.resolve().then(pump)
      }),
    close: async (patienceMs = 3_000) => {
      closed = true
      const given = pumping === undefined || (await settles(pumping, patienceMs))
      if (!given) for (const { reject } of waiting.splice(0)) reject(new MillraceError('timed-out', `${topic}: closed`))
      await disconnect(2_000)
    },
  }
}

const takeRequest = (waiting: Entry[]): Entry[] => {
  let count = 0
  let bytes = 0
  do bytes += waiting[count++]!.message.value?.length ?? 0
  while (
    count < waiting.length &&
    count < maxEntries &&
    bytes + (waiting[count]!.message.value?.length ?? 0) <= maxBytes
  )
  return waiting.splice(0, count)
}
