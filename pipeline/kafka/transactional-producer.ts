/** One transactional id at a time: made with InitProducerId, which fences whoever had it, and thrown away when anything goes wrong. */
import kafkajs, { type Kafka, type Producer, type Transaction } from 'kafkajs'
import type { Covered } from '../../stages/ports.js'
import { settles } from '../backoff.js'
import { installCoordinatorCache } from './coordinator-cache.js'
import type { Chunk } from './lanes.js'
import { sendChunks } from './sender.js'
import { forgetTransactions, holdsOffsetsOf } from './transaction-requests.js'

export interface TransactionalProducerOptions {
  readonly kafka: Kafka
  readonly transactionalId: string
  /** whose offsets the transactions hold; undefined: they hold none */
  readonly groupId?: string
  /** after which the broker aborts a transaction that nobody ends */
  readonly timeoutMs: number
}

export interface TransactionalProducer {
  /** Connects and takes the id: what a former owner left open is aborted, what it had decided to commit is committed. */
  open(): Promise<void>
  /** One request per broker, in the transaction that is open. */
  send(chunks: readonly Chunk[]): Promise<void>
  /** The offset after what was covered, as the group's, in the transaction that is open. */
  cover(covered: Covered): Promise<void>
  /** The end of the transaction; the next begins. */
  commit(): Promise<void>
  /** Aborts what was sent and not committed, as well as that goes, and disconnects. `open` begins anew. */
  drop(): Promise<void>
}

/** CONCURRENT_TRANSACTIONS, while the markers of the transaction before are written, is over within milliseconds. */
const retry = { initialRetryTime: 4, maxRetryTime: 100, factor: 0.2, multiplier: 1.5, retries: 12 }
const dropTimeoutMs = 2_000

export const createTransactionalProducer = (options: TransactionalProducerOptions): TransactionalProducer => {
  const { kafka, transactionalId, groupId } = options
  installCoordinatorCache()
  let producer: Producer | undefined
  let transaction: Transaction | undefined
  /** whether the broker knows of the transaction */
  let begun = false

  return {
    async open() {
      const made = kafka.producer({
        transactionalId,
        transactionTimeout: options.timeoutMs,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
        metadataMaxAge: 60_000,
        retry,
      })
      producer = made
      begun = false
      if (groupId !== undefined) holdsOffsetsOf(groupId, transactionalId)
      await made.connect()
      // kafkajs sends InitProducerId with the first transaction, and nothing else before something is sent in it.
      transaction = await made.transaction()
    },
    async send(chunks) {
      begun = true
      await sendChunks((batch) => transaction!.sendBatch(batch), chunks)
    },
    async cover({ topic, partition, next }) {
      if (groupId === undefined) throw new Error(`the transactions of ${transactionalId} hold no offsets`)
      begun = true
      const topics = [{ topic, partitions: [{ partition, offset: String(next) }] }]
      await transaction!.sendOffsets({ consumerGroupId: groupId, topics })
    },
    async commit() {
      begun = true
      await transaction!.commit()
      begun = false
      transaction = await producer!.transaction()
    },
    async drop() {
      const [old, open] = [producer, begun ? transaction : undefined]
      producer = undefined
      transaction = undefined
      if (open?.isActive()) await settles(open.abort(), dropTimeoutMs)
      forgetTransactions(transactionalId)
      if (old) await settles(old.disconnect(), dropTimeoutMs)
    },
  }
}
