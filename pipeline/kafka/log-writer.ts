import kafkajs, { type Kafka, type Producer } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { Headers } from '../../stages/ports.js'
import { settles } from '../backoff.js'
import { describeKafkaError } from './errors.js'

export interface LogWriter {
  /**
   * Appends to partition 0, in the order of the calls; resolves with the offset once all in-sync replicas have the record. Rejects with a
   * `MillraceError` after a few seconds without success; the entries after it are tried all the same.
   */
  append(key: Buffer | string | null, value: Buffer | null, headers?: Headers): Promise<number>
  /** Waits for what was appended, then disconnects. Idempotent. */
  close(): Promise<void>
}

const retry = { initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 5 }

/** Writes a topic of one partition. Connects with the first append. */
export const createLogWriter = (kafka: Kafka, topic: string): LogWriter => {
  let producer: Producer | undefined
  let last: Promise<unknown> = Promise.resolve()
  let closed = false

  const append = async (key: Buffer | string | null, value: Buffer | null, headers?: Headers): Promise<number> => {
    try {
      if (!producer) {
        const made = kafka.producer({
          idempotent: true,
          maxInFlightRequests: 1,
          allowAutoTopicCreation: false,
          createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
          retry,
        })
        producer = made
        await made.connect()
      }
      const messages = [{ key, value, headers, partition: 0 }]
      const [sent] = await producer.send({ topic, messages, acks: -1 })
      if (sent?.baseOffset === undefined) throw new MillraceError('topic-missing', topic)
      return Number(sent.baseOffset)
    } catch (error) {
      // The broker's books and this producer's may differ now: begin with a new one.
      const old = producer
      producer = undefined
      if (old) await settles(old.disconnect(), 1_000)
      throw describeKafkaError(error, topic)
    }
  }

  return {
    append: (key, value, headers) => {
      if (closed) return Promise.reject(new MillraceError('internal', `the writer of ${topic} is closed`))
      const appended = last.then(() => append(key, value, headers))
      last = appended.catch(() => undefined)
      return appended
    },
    close: async () => {
      closed = true
      await last
      const old = producer
      producer = undefined
      if (old) await settles(old.disconnect(), 2_000)
    },
  }
}
