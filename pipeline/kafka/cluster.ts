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
/** per partition */
const maxBytes = 1024 * 1024

export interface PartitionFetch {
  readonly partition: number
  /** committed ones */
  readonly records: SourceRecord[]
  /** the offset to fetch next */
  readonly next: number
}

/** One fetch from `offset`. Waits at the broker for at most `maxWaitMs`. */
export const fetchPartition = async (
  cluster: Cluster,
  topic: string,
  partition: number,
  offset: number,
  maxWaitMs: number,
): Promise<PartitionFetch> => {
  const [fetched] = await fetchPartitions(cluster, topic, new Map([[partition, offset]]), maxWaitMs)
  return fetched!
}

/** One fetch of every partition from its offset, from all their brokers at once. Waits at each for at most `maxWaitMs`. */
export const fetchPartitions = async (
  cluster: Cluster,
  topic: string,
  positions: ReadonlyMap<number, number>,
  maxWaitMs: number,
): Promise<PartitionFetch[]> => {
  await cluster.refreshMetadataIfNecessary()
  const leaders = Object.entries(cluster.findLeaderForPartitions(topic, [...positions.keys()]))
  const led = new Set(leaders.flatMap(([, partitions]) => partitions))
  for (const partition of positions.keys())
    if (!led.has(partition)) throw new MillraceError('topic-missing', `${topic} has no partition ${partition}`)
  const fetched = await Promise.all(
    leaders.map(([nodeId, partitions]) => fetchFrom(cluster, nodeId, topic, partitions, positions, maxWaitMs)),
  )
  return fetched.flat()
}

const fetchFrom = async (
  cluster: Cluster,
  nodeId: string,
  topic: string,
  partitions: readonly number[],
  positions: ReadonlyMap<number, number>,
  maxWaitMs: number,
): Promise<PartitionFetch[]> => {
  const broker = await cluster.findBroker({ nodeId })
  const { responses } = (await broker.fetch({
    isolationLevel: readCommitted,
    maxWaitTime: maxWaitMs,
    minBytes: 1,
    maxBytes: maxBytes * partitions.length,
    topics: [
      {
        topic,
        partitions: partitions.map((partition) => ({
          partition,
          fetchOffset: String(positions.get(partition)),
          maxBytes,
        })),
      },
    ],
  })) as { responses: { partitions: PartitionData[] }[] }
  const answered = new Map(responses[0]?.partitions.map((data) => [data.partition, data]))
  return partitions.map((partition) => {
    const offset = positions.get(partition)!
    const data = answered.get(partition)
    const last = data?.messages.at(-1)
    if (!data || !last) return { partition, records: [], next: offset }
    // A compressed batch is returned whole: its first records may lie before the offset that was asked for.
    const visible = committed(topic, offset, data).filter((message) => Number(message.offset) >= offset)
    return { partition, records: visible.map(toRecord), next: Math.max(offset, Number(last.offset) + 1) }
  })
}

/** Without control records and what aborted transactions left. */
const committed = (topic: string, offset: number, data: PartitionData): KafkaMessage[] => {
  const KafkaBatch = internal<Batch>('consumer/batch')
  if (KafkaBatch) return new KafkaBatch(topic, String(offset), data).messages
  return data.messages.filter((message) => !message.isControlRecord)
}
