/**
 * Fetching a partition without a consumer group, over the `Cluster` that kafkajs hands to partition assigners: it is in its public types,
 * and the only way to it is to ask for a consumer that never joins.
 */
import kafkajs, { type Cluster, type Kafka, type KafkaMessage } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { SourceRecord } from '../../stages/ports.js'
import { internal } from './internals.js'
import { toRecord } from './records.js'

/** A cluster with connections of its own. Whoever makes it connects and disconnects it. */
export const createCluster = (kafka: Kafka): Cluster => {
  let cluster: Cluster | undefined
  kafka.consumer({
    groupId: 'never-joined',
    allowAutoTopicCreation: false,
    metadataMaxAge: 60_000,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster
        return kafkajs.PartitionAssigners.roundRobin(config)
      },
    ],
  })
  if (!cluster) throw new MillraceError('internal', 'this kafkajs does not make its assigners with the consumer')
  return cluster
}

/** The first offset that the partition has, or the one after the last that a reader may see. */
export const logEdge = async (
  cluster: Cluster,
  topic: string,
  partition: number,
  edge: 'first' | 'end',
): Promise<number> => {
  const [answer] = await cluster.fetchTopicsOffset([
    { topic, partitions: [{ partition }], fromBeginning: edge === 'first' },
  ])
  const offset = answer?.partitions[0]?.offset
  if (offset === undefined) throw new MillraceError('topic-missing', `${topic} has no partition ${partition}`)
  return Number(offset)
}

interface PartitionData {
  readonly partition: number
  readonly messages: (KafkaMessage & { isControlRecord: boolean })[]
}
type Batch = new (
  topic: string,
  offset: string,
  data: PartitionData,
) => { messages: KafkaMessage[]; lastOffset(): string }

const readCommitted = 1
const maxBytes = 1024 * 1024

/** One fetch from `offset`: committed records, and the offset to fetch next. Waits at the broker for at most `maxWaitMs`. */
export const fetchPartition = async (
  cluster: Cluster,
  topic: string,
  partition: number,
  offset: number,
  maxWaitMs: number,
): Promise<{ readonly records: SourceRecord[]; readonly next: number }> => {
  await cluster.refreshMetadataIfNecessary()
  const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  if (leader === undefined) throw new MillraceError('topic-missing', `${topic} has no partition ${partition}`)
  const broker = await cluster.findBroker({ nodeId: leader })
  const { responses } = (await broker.fetch({
    isolationLevel: readCommitted,
    maxWaitTime: maxWaitMs,
    minBytes: 1,
    maxBytes,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes }] }],
  })) as { responses: { partitions: PartitionData[] }[] }
  const data = responses[0]?.partitions[0]
  if (!data || data.messages.length === 0) return { records: [], next: offset }
  const last = data.messages[data.messages.length - 1]!
  // A compressed batch is returned whole: its first records may lie before the offset that was asked for.
  const visible = committed(topic, offset, data).filter((message) => Number(message.offset) >= offset)
  return { records: visible.map(toRecord), next: Math.max(offset, Number(last.offset) + 1) }
}

/** Without control records and what aborted transactions left. */
const committed = (topic: string, offset: number, data: PartitionData): KafkaMessage[] => {
  const KafkaBatch = internal<Batch>('consumer/batch')
  if (KafkaBatch) return new KafkaBatch(topic, String(offset), data).messages
  return data.messages.filter((message) => !message.isControlRecord)
}
