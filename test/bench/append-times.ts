/** When the records of a topic were appended, by the clock of the broker. */
import type { Kafka } from 'kafkajs'
import { withAdmin } from '../../pipeline/kafka/admin.js'
import { createCluster, fetchPartitions } from '../../pipeline/kafka/cluster.js'

export interface AppendTimes {
  readonly count: number
  /** milliseconds since the epoch at which that part (0 to 1) of the records was there */
  at(part: number): number
  /** records a second that were appended after one moment and until another */
  rate(after: number, until: number): number
  /** every millisecond in which something was appended, in order */
  readonly moments: readonly number[]
}

/** Reads the topic, whose `message.timestamp.type` is LogAppendTime, to its present end, without the first records of each partition. */
export const appendTimes = async (kafka: Kafka, topic: string, skipped = 0): Promise<AppendTimes> => {
  const ends = await withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic))
  const left = new Map(ends.map(({ partition, high }) => [partition, Number(high)]))
  const positions = new Map(ends.map(({ partition, low }) => [partition, Number(low) + skipped]))
  const counts = new Map<number, number>()
  const cluster = createCluster(kafka)
  await cluster.connect()
  try {
    await cluster.addTargetTopic(topic)
    for (;;) {
      for (const [partition, end] of left) if (positions.get(partition)! >= end) positions.delete(partition)
      if (positions.size === 0) break
      for (const { partition, records, next } of await fetchPartitions(cluster, topic, positions, 100)) {
        positions.set(partition, next)
        for (const { timestamp } of records) counts.set(timestamp, (counts.get(timestamp) ?? 0) + 1)
      }
    }
  } finally {
    await cluster.disconnect()
  }
  return timesOf(counts)
}

/** Of the records that each millisecond had. */
export const timesOf = (counts: ReadonlyMap<number, number>): AppendTimes => {
  const moments = [...counts.keys()].sort((one, other) => one - other)
  const count = [...counts.values()].reduce((sum, one) => sum + one, 0)
  return {
    count,
    moments,
    rate(after, until) {
      const between = moments.filter((moment) => moment > after && moment <= until)
      const sum = between.reduce((all, moment) => all + counts.get(moment)!, 0)
      return Math.round((sum * 1_000) / Math.max(1, until - after))
    },
    at(part) {
      let sum = 0
      for (const moment of moments) {
        sum += counts.get(moment)!
        if (sum >= part * count && sum > 0) return moment
      }
      return moments.at(-1) ?? Number.NaN
    },
  }
}
