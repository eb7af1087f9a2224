/** What is on its way to a topic: gathered into batches, bounded, acknowledged. */
import type { Kafka } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import { settles } from '../backoff.js'
import { partitionCounts } from '../kafka/admin.js'
import { createPartitioner } from '../kafka/partitioner.js'
import { createPublisher } from '../kafka/publisher.js'

export interface Outbox {
  /**
   * Takes a record for a partition, that of its key by default; a promise when the caller has to wait for room. Rejects with what ended the
   * sending.
   */
  add(record: OutgoingRecord, partition?: number): Promise<void> | undefined
  /** Resolves when the broker has everything that was added. */
  flush(): Promise<void>
  /** acknowledged by the broker */
  readonly acknowledged: number
  close(): Promise<void>
}

export interface OutboxOptions {
  readonly kafka: Kafka
  readonly topic: string
  readonly onState: (state: 'running' | 'waiting', detail: string) => void
}

const batchRecords = 2_000
const batchBytes = 512 * 1024
/** a batch that does not fill is sent after this */
const lingerMs = 10
const mostBytesOut = 16 << 20

/** Throws `topic-missing` and whatever keeps a client from connecting. */
export const openOutbox = async ({ kafka, topic, onState }: OutboxOptions): Promise<Outbox> => {
  const partitions = (await partitionCounts(kafka, [topic])).get(topic)
  if (partitions === undefined) throw new MillraceError('topic-missing', topic)
  const partitionOf = createPartitioner(partitions)
  const publisher = createPublisher({ kafka, topics: { predictions: topic, deadLetter: topic, late: topic }, onState })
  await publisher.connect()

  let batch = new Map<number, OutgoingRecord[]>()
  let [gathered, gatheredBytes, bytesOut, acknowledged] = [0, 0, 0, 0]
  let failure: { readonly error: unknown } | undefined
  let timer: NodeJS.Timeout | undefined
  const out = new Set<Promise<void>>()

  const send = () => {
    clearTimeout(timer)
    timer = undefined
    if (gathered === 0) return
    const outgoing = [...batch].map(([partition, records]) => ({ kind: 'predictions' as const, partition, records }))
    const [records, bytes] = [gathered, gatheredBytes]
    batch = new Map()
    ;[gathered, gatheredBytes] = [0, 0]
    bytesOut += bytes
    const sent = publisher
      .publish(outgoing)
      .then(() => {
        acknowledged += records
      })
      .catch((error) => {
        failure ??= { error }
      })
      .finally(() => {
        bytesOut -= bytes
        out.delete(sent)
      })
    out.add(sent)
  }
  const room = async () => {
    while (bytesOut > mostBytesOut && !failure) await Promise.race(out)
    if (failure) throw failure.error
  }

  return {
    add(record, partition = partitionOf(record.key)) {
      const records = batch.get(partition)
      if (records) records.push(record)
      else batch.set(partition, [record])
      gathered += 1
      gatheredBytes += (record.value?.length ?? 0) + (record.key?.length ?? 0) + 32
      if (gathered >= batchRecords || gatheredBytes >= batchBytes) send()
      else timer ??= setTimeout(send, lingerMs)
      return failure || bytesOut > mostBytesOut ? room() : undefined
    },
    async flush() {
      send()
      await Promise.all(out)
      if (failure) throw failure.error
    },
    get acknowledged() {
      return acknowledged
    },
    async close() {
      clearTimeout(timer)
      await settles(publisher.close(), 3_000)
    },
  }
}
