/**
 * Fetching a partition without a consumer group, over the `Cluster` that kafkajs hands to partition assigners: it is in its public types,
 * and the only way to it is to ask for a consumer that never joins.
 */
import kafkajs, { type Cluster, type Kafka } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { SourceRecord } from '../../stages/ports.js'
import { settles } from '../backoff.js'
import { batchFetcher, protocolError } from './broker-requests.js'
import { fetchMessages } from './fetch-messages.js'
import { openFetched } from './fetched-records.js'

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

/**
 * Disconnects, waiting at most `limitMs`. `underway`, which nobody waits for any more, may connect anew after that: it is followed to its end and
 * disconnected again, for a connection that is left open keeps the process alive until the broker closes it, ten minutes later.
 */
export const leaveCluster = async (
  cluster: Cluster,
  underway: Promise<unknown> | undefined,
  limitMs: number,
): Promise<void> => {
  await settles(cluster.disconnect(), limitMs)
  const again = () => cluster.disconnect()
  underway?.then(again, again).catch(() => undefined)
}

/** The first offset that the partition has, or the one after the last that a reader may see. */
export const logEdge = async (
  cluster: Cluster,
  topic: string,
  partition: number,
  edge: 'first' | 'end',
): Promise<number> => (await logEdges(cluster, topic, [partition], edge))[0]!

/** The same of several partitions, in their order. */
export const logEdges = async (
  cluster: Cluster,
  topic: string,
  partitions: readonly number[],
  edge: 'first' | 'end',
): Promise<number[]> => {
  const [answer] = await cluster.fetchTopicsOffset([
    { topic, partitions: partitions.map((partition) => ({ partition })), fromBeginning: edge === 'first' },
  ])
  return partitions.map((partition) => {
    const offset = answer?.partitions.find((one) => one.partition === partition)?.offset
    if (offset === undefined) throw new MillraceError('topic-missing', `${topic} has no partition ${partition}`)
    return Number(offset)
  })
}

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
  const wanted = partitions.map((partition) => ({ partition, offset: positions.get(partition)! }))
  const limits = { maxBytesPerPartition: maxBytes, maxBytes: maxBytes * partitions.length, maxWaitMs }
  const fetchBatches = batchFetcher()
  if (!fetchBatches) return fetchMessages(broker, topic, wanted, limits)
  const answers = await fetchBatches(broker, topic, wanted, limits)
  return Promise.all(
    wanted.map(async ({ partition, offset }) => {
      const answer = answers.find((one) => one.partition === partition)
      if (answer && answer.errorCode !== 0) throw protocolError(answer.errorCode)
      const fetched = answer && (await openFetched(answer, offset))
      return fetched
        ? { partition, records: (await fetched.reader.read(Number.POSITIVE_INFINITY)).map(apart), next: fetched.next }
        : { partition, records: [], next: offset }
    }),
  )
}

/** With fields of its own, for whoever copies records. */
const apart = ({ offset, timestamp, key, value, headers }: SourceRecord): SourceRecord => ({
  offset,
  timestamp,
  key,
  value,
  headers,
})
