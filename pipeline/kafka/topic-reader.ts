/**
 * Reading all partitions of a topic without a consumer group: for people and tools that look on. Nothing is committed and nothing is left
 * behind on the broker.
 */
import type { Cluster, Kafka } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { SourceRecord } from '../../stages/ports.js'
import { createBackoff, unless } from '../backoff.js'
import { createCluster, fetchPartitions, leaveCluster } from './cluster.js'
import { describeKafkaError, kafkaErrorType } from './errors.js'

export interface ReadTopicOptions {
  /** where every partition begins: its first record, its end, so many offsets before that, or the offset given for it (else its first) */
  readonly from: 'beginning' | 'end' | { readonly last: number } | ReadonlyMap<number, number>
  /** all by default */
  readonly partitions?: readonly number[]
  /** false: ends where the partitions ended when the reading began */
  readonly follow: boolean
  readonly maxWaitMs?: number
  /** ends the reading, without an error */
  readonly signal?: AbortSignal
  /** `waiting` is said with what is waited for, `running` when it goes on */
  readonly onState?: (state: 'running' | 'waiting', detail: string) => void
}

export interface ReadRecords {
  readonly partition: number
  /** at least one, in order */
  readonly records: readonly SourceRecord[]
}

/** How far the reading is: the next offset by partition, and the ends that it reads up to. */
interface Positions {
  readonly next: Map<number, number>
  readonly ends: ReadonlyMap<number, number>
}

/**
 * Yields records as they come, in order within a partition; nothing is fetched while the caller is busy. A broker that goes away is waited
 * for, without repeats; one that was never there is an error, as is a topic that does not exist.
 */
export async function* readTopic(kafka: Kafka, topic: string, options: ReadTopicOptions): AsyncGenerator<ReadRecords> {
  const signal = options.signal ?? new AbortController().signal
  const backoff = createBackoff()
  let cluster: Cluster | undefined
  let positions: Positions | undefined
  let waiting = false
  let moved = false
  let underway: Promise<unknown> | undefined
  const unlessEnded = <T>(work: Promise<T>): Promise<T | undefined> => {
    underway = work
    return unless(work, signal)
  }
  const open = async (): Promise<Cluster> => {
    const opened = createCluster(kafka)
    cluster = opened
    await opened.connect()
    await opened.addTargetTopic(topic)
    return opened
  }
  try {
    while (!signal.aborted) {
      let fetched: ReadRecords[] | undefined
      try {
        const opened = cluster ?? (await unlessEnded(open()))
        if (!opened) return
        positions ??= await unlessEnded(startOf(opened, topic, options))
        if (!positions) return
        if (moved) await unlessEnded(backIntoRange(opened, topic, positions))
        moved = false
        const wanted = options.follow ? positions.next : unfinished(positions)
        if (wanted.size === 0) return
        fetched = await unlessEnded(fetchNext(opened, topic, positions, wanted, options.maxWaitMs ?? 250))
        if (waiting) options.onState?.('running', topic)
        waiting = false
        backoff.reset()
      } catch (error) {
        const described = describeKafkaError(error, topic)
        const outOfRange = kafkaErrorType(error) === 'OFFSET_OUT_OF_RANGE'
        if (!positions || !(described.retryable || outOfRange)) throw described
        if (outOfRange) moved = true
        waiting = true
        options.onState?.('waiting', described.line)
        if (cluster) await leaveCluster(cluster, undefined, 1_000)
        cluster = undefined
        await backoff.wait(signal)
      }
      for (const one of fetched ?? []) yield one
    }
  } finally {
    if (cluster) await leaveCluster(cluster, underway, 2_000)
  }
}

const edges = async (cluster: Cluster, topic: string, edge: 'first' | 'end'): Promise<Map<number, number>> => {
  const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId }))
  if (partitions.length === 0) throw new MillraceError('topic-missing', topic)
  const [answer] = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning: edge === 'first' }])
  return new Map(answer?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
}

const startOf = async (
  cluster: Cluster,
  topic: string,
  { from, partitions }: Pick<ReadTopicOptions, 'from' | 'partitions'>,
): Promise<Positions> => {
  const [firsts, ends] = [await edges(cluster, topic, 'first'), await edges(cluster, topic, 'end')]
  const wanted = (partition: number): number => {
    if (from === 'beginning') return 0
    const end = ends.get(partition)!
    if (from === 'end') return end
    return from instanceof Map ? (from.get(partition) ?? 0) : end - (from as { readonly last: number }).last
  }
  const read = [...firsts].filter(([partition]) => partitions?.includes(partition) ?? true)
  const next = new Map(read.map(([partition, first]) => [partition, Math.max(first, wanted(partition))]))
  return { next, ends }
}

/** What was to be read next is gone, to retention or with the topic, which was made anew: go on at the first that is there. */
const backIntoRange = async (cluster: Cluster, topic: string, { next }: Positions): Promise<void> => {
  const [firsts, ends] = [await edges(cluster, topic, 'first'), await edges(cluster, topic, 'end')]
  for (const [partition, offset] of next) {
    const first = firsts.get(partition) ?? 0
    if (offset < first || offset > (ends.get(partition) ?? 0)) next.set(partition, first)
  }
}

const unfinished = ({ next, ends }: Positions): Map<number, number> =>
  new Map([...next].filter(([partition, offset]) => offset < ends.get(partition)!))

const fetchNext = async (
  cluster: Cluster,
  topic: string,
  { next }: Positions,
  wanted: ReadonlyMap<number, number>,
  maxWaitMs: number,
): Promise<ReadRecords[]> => {
  const fetched = await fetchPartitions(cluster, topic, wanted, maxWaitMs)
  for (const one of fetched) next.set(one.partition, one.next)
  return fetched.filter(({ records }) => records.length > 0)
}
