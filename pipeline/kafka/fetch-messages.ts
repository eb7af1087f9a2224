/** A fetch that kafkajs decodes: for a release of it that nobody has read, where broker-requests.ts is closed. */
import type { Broker, KafkaMessage } from 'kafkajs'
import type { FetchLimits, FetchWanted } from './broker-requests.js'
import type { PartitionFetch } from './cluster.js'
import { toRecord } from './records.js'

interface PartitionData {
  readonly partition: number
  readonly messages: (KafkaMessage & { isControlRecord: boolean })[]
}

const readCommitted = 1

/** What aborted transactions left is among the records: the public interface does not tell which. */
export const fetchMessages = async (
  broker: Broker,
  topic: string,
  wanted: readonly FetchWanted[],
  limits: FetchLimits,
): Promise<PartitionFetch[]> => {
  const partitions = wanted.map(({ partition, offset }) => ({
    partition,
    fetchOffset: String(offset),
    maxBytes: limits.maxBytesPerPartition,
  }))
  const { responses } = (await broker.fetch({
    isolationLevel: readCommitted,
    maxWaitTime: limits.maxWaitMs,
    minBytes: 1,
    maxBytes: limits.maxBytes,
    topics: [{ topic, partitions }],
  })) as { responses: { partitions: PartitionData[] }[] }
  const answered = new Map(responses[0]?.partitions.map((data) => [data.partition, data.messages]))
  return wanted.map(({ partition, offset }) => {
    const messages = answered.get(partition) ?? []
    const last = messages.at(-1)
    // A compressed batch is returned whole: its first records may lie before the offset that was asked for.
    const visible = messages.filter((one) => !one.isControlRecord && Number(one.offset) >= offset)
    const next = last ? Math.max(offset, Number(last.offset) + 1) : offset
    return { partition, records: visible.map(toRecord), next }
  })
}
