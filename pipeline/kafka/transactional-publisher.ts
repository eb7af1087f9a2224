/** Exactly once: what is made of an input partition and the offset it was made of, in one transaction. */
import type { Kafka } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { Covered, Outgoing, OutgoingRecord, OutputKind, TopicPartition } from '../../stages/ports.js'
import { settles } from '../backoff.js'
import { withAdmin } from './admin.js'
import { internalsKnown } from './internals.js'
import { createTransactionLane, type TransactionLane } from './transaction-lane.js'
import { createTransactionalProducer } from './transactional-producer.js'

export interface TransactionalPublisherOptions {
  /** a client of its own: kafkajs keeps the committed offsets of a group in the client, and the source has its own books */
  readonly kafka: Kafka
  readonly groupId: string
  readonly topics: Readonly<Record<OutputKind | 'fences', string>>
  /** what there is of a partition is committed so often; 100 by default */
  readonly intervalMs?: number
  /** … or with this many records, 20,000 by default */
  readonly maxRecords?: number
  /** after which the broker aborts the transaction of a worker that is gone; 60,000 by default */
  readonly timeoutMs?: number
  /** `waiting` is said with what is waited for, `running` when it goes on */
  readonly onState?: (state: 'running' | 'waiting', detail: string) => void
  /** Told of every transaction that has ended. */
  readonly onEnded?: (result: 'committed' | 'aborted') => void
}

/** What was made of a range of one input partition. */
export interface TransactedRange {
  readonly covered: Covered
  readonly outgoing: readonly Outgoing[]
  /** for partition 0 of the fences topic */
  readonly fences?: readonly OutgoingRecord[]
}

export interface TransactionalPublisher {
  /**
   * Takes the transactional ids of these partitions and gives back all others: to be awaited at each assignment, before committed offsets and
   * fences are read. Whoever had them before is fenced, and what it left open is settled. Waits out infrastructure until `signal` aborts.
   */
  begin(partitions: readonly TopicPartition[], signal?: AbortSignal): Promise<void>
  /**
   * Resolves once the transaction is committed: records, fences and `covered.next` as the group's offset, all or nothing. Ranges of a
   * partition are given in order and without gaps; what is given while a transaction commits goes into the next. Waits out infrastructure.
   * Rejects with `producer-fenced` when another worker has the partition: its records are then no business of this one, and a source whose
   * pipe errors with it joins the group anew. Rejects with `partitions-differ` when an output topic lacks the partition.
   */
  publish(range: TransactedRange): Promise<void>
  /** Aborts what is not committed, rejects it, and disconnects, within a few seconds. Idempotent. */
  close(): Promise<void>
}

const closeTimeoutMs = 5_000
/** ids that are taken at once */
const concurrency = 16

/** `groupId-topic-partition` is the transactional id of an input partition, in every worker of the group. */
export const createTransactionalPublisher = (options: TransactionalPublisherOptions): TransactionalPublisher => {
  const { kafka, groupId, topics, intervalMs = 100, maxRecords = 20_000, timeoutMs = 60_000 } = options
  const lanes = new Map<string, TransactionLane>()
  const waiting = new Set<string>()
  let closed = false

  const createLane = (input: TopicPartition, phase: number): TransactionLane => {
    const key = keyOf(input)
    const transactionalId = `${groupId}-${input.topic}-${input.partition}`
    return createTransactionLane({
      input,
      producer: createTransactionalProducer({ kafka, transactionalId, groupId, timeoutMs }),
      committed: () => committedOffset(kafka, groupId, input),
      intervalMs,
      phase,
      maxRecords,
      onWaiting: (reason) => {
        waiting.add(key)
        options.onState?.('waiting', reason)
      },
      onRunning: () => {
        if (waiting.delete(key) && waiting.size === 0) options.onState?.('running', 'publishing again')
      },
      onEnded: options.onEnded,
    })
  }

  const closeAll = async (error: MillraceError) => {
    const old = [...lanes.values()]
    lanes.clear()
    waiting.clear()
    await Promise.all(old.map((lane) => lane.close(error)))
  }

  return {
    async begin(partitions, signal = new AbortController().signal) {
      if (!internalsKnown)
        throw new MillraceError(
          'config-invalid',
          'exactly-once is written for kafkajs 2.2.4: with another, use at-least-once',
        )
      await closeAll(new MillraceError('producer-fenced', 'the partitions were given up'))
      if (closed || signal.aborted) return
      const opened = partitions.map(
        (input, index) => [keyOf(input), createLane(input, (index + 1) / partitions.length)] as const,
      )
      for (const [key, lane] of opened) lanes.set(key, lane)
      for (let at = 0; at < opened.length && !signal.aborted; at += concurrency)
        await Promise.all(opened.slice(at, at + concurrency).map(([, lane]) => lane.open(signal)))
    },
    async publish({ covered, outgoing, fences = [] }) {
      const lane = lanes.get(keyOf(covered))
      if (!lane) throw new MillraceError('producer-fenced', `${covered.topic} ${covered.partition} was given up`)
      const parts = outgoing.map(({ kind, partition, records }) => ({ topic: topics[kind], partition, records }))
      await lane.add({ covered, parts: [...parts, { topic: topics.fences, partition: 0, records: fences }] })
    },
    async close() {
      closed = true
      const error = new MillraceError('timed-out', 'the publisher was closed before the transaction was committed')
      // What a silent broker has is not waited for: whoever takes the ids next settles it.
      await settles(closeAll(error), closeTimeoutMs)
    },
  }
}

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`

const committedOffset = (kafka: Kafka, groupId: string, { topic, partition }: TopicPartition): Promise<number | null> =>
  withAdmin(kafka, async (admin) => {
    const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] })
    const offset = Number(answer?.partitions.find((one) => one.partition === partition)?.offset ?? -1)
    return offset < 0 ? null : offset
  })
