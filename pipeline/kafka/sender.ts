/** One producer at a time, made when it is needed and thrown away when the broker and it disagree. */
import kafkajs, {
  type CompressionTypes,
  type Kafka,
  type Message,
  type Producer,
  type ProducerBatch,
  type RecordMetadata,
  type TopicMessages,
} from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import { settles } from '../backoff.js'
import { canSendChunks, chunked } from './broker-requests.js'
import type { Chunk, Limits } from './lanes.js'

export interface SenderOptions {
  readonly kafka: Kafka
  readonly idempotent?: boolean
  readonly compression?: CompressionTypes
}

export interface Sender {
  connect(): Promise<void>
  /** One request per broker, acknowledged by all in-sync replicas. Rejects with `partitions-differ` for a partition unknown to kafkajs. */
  send(chunks: readonly Chunk[]): Promise<void>
  /** Disconnects; the next call begins with a new producer, a new id and fresh metadata. */
  drop(): Promise<void>
}

/** A few quick tries; the publisher waits out the rest. */
const retry = { initialRetryTime: 50, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 3 }

export const createSender = ({ kafka, idempotent = true, compression }: SenderOptions): Sender => {
  let producer: Producer | undefined

  const connected = async (): Promise<Producer> => {
    if (producer) return producer
    const made = kafka.producer({
      idempotent,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      metadataMaxAge: 60_000,
      retry,
    })
    try {
      await made.connect()
    } catch (error) {
      await settles(made.disconnect(), 1_000)
      throw error
    }
    producer = made
    return made
  }

  return {
    connect: async () => void (await connected()),
    send: async (chunks) => {
      const current = await connected()
      await sendChunks((batch) => current.sendBatch(Object.assign(batch, { compression })), chunks)
    },
    drop: async () => {
      const old = producer
      producer = undefined
      if (old) await settles(old.disconnect(), 2_000)
    },
  }
}

/** Per partition and request. kafkajs itself copies a partition's messages once per message: there requests are kept short. */
export const requestLimits = (): Limits => ({ records: canSendChunks() ? 10_000 : 500, bytes: 800 * 1024 })

/** Sends one chunk per topic and partition, to be acknowledged by all in-sync replicas. */
export const sendChunks = async (
  sendBatch: (batch: ProducerBatch) => Promise<RecordMetadata[]>,
  chunks: readonly Chunk[],
): Promise<void> => {
  const sent = await sendBatch({ topicMessages: toMessages(chunks), acks: -1 })
  // kafkajs leaves out, without a word, what is meant for a partition that its metadata does not have.
  const reached = new Set(sent.map(({ topicName, partition }) => `${topicName}/${partition}`))
  const lacking = chunks.find(({ topic, partition }) => !reached.has(`${topic}/${partition}`))
  if (lacking) throw new MillraceError('partitions-differ', `${lacking.topic} has no partition ${lacking.partition}`)
}

const toMessages = (chunks: readonly Chunk[]): TopicMessages[] => {
  const topics = new Map<string, Chunk[]>()
  for (const chunk of chunks) {
    const parts = topics.get(chunk.topic)
    if (parts) parts.push(chunk)
    else topics.set(chunk.topic, [chunk])
  }
  const messages = canSendChunks() ? chunked : spelledOut
  return [...topics].map(([topic, parts]) => ({ topic, messages: messages(parts) }))
}

const spelledOut = (parts: readonly Chunk[]): Message[] =>
  parts.flatMap(({ partition, records }) =>
    records.map(({ key, value, headers, timestamp }) => ({
      key,
      value,
      headers,
      partition,
      timestamp: String(timestamp),
    })),
  )
