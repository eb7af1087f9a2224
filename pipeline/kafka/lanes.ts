/** What waits to be published: one queue per topic and partition, cut into requests that the broker and kafkajs both like. */
import type { OutgoingRecord } from '../../stages/ports.js'
import { recordBytes } from '../../stages/record-bytes.js'

interface Pending {
  readonly records: readonly OutgoingRecord[]
  /** how many of them are acknowledged */
  done: number
  readonly acknowledge: () => void
}

interface Lane {
  readonly topic: string
  readonly partition: number
  readonly pending: Pending[]
}

/** The next records of one topic and partition. */
export interface Chunk {
  readonly topic: string
  readonly partition: number
  readonly records: readonly OutgoingRecord[]
  readonly bytes: number
}

export interface Limits {
  readonly records: number
  readonly bytes: number
}

export interface Lanes {
  readonly size: number
  /** `acknowledge` is called once all of `records`, which are at least one, are settled. */
  add(topic: string, partition: number, records: readonly OutgoingRecord[], acknowledge: () => void): void
  /** The front of every lane: each chunk has at least one record, and no more than the limits where it has several. */
  front(limits: Limits): Chunk[]
  /** The chunk, which was the front of its lane, is acknowledged. */
  settle(chunk: Chunk): void
  clear(): void
}

export const createLanes = (): Lanes => {
  /** Those with nothing pending stay, which are no more than the topics have partitions: for why, see `FewEntries`. */
  const lanes = new Map<string, Lane>()
  const busy = () => [...lanes.values()].filter(({ pending }) => pending.length > 0)
  return {
    get size() {
      return busy().length
    },
    add(topic, partition, records, acknowledge) {
      const key = `${topic}/${partition}`
      const lane = lanes.get(key) ?? { topic, partition, pending: [] }
      lanes.set(key, lane)
      lane.pending.push({ records, done: 0, acknowledge })
    },
    front: (limits) => busy().map((lane) => nextChunk(lane, limits)),
    settle({ topic, partition, records }) {
      const key = `${topic}/${partition}`
      const lane = lanes.get(key)
      let left = records.length
      while (lane?.pending[0] !== undefined && left > 0) {
        const first = lane.pending[0]
        const taken = Math.min(left, first.records.length - first.done)
        first.done += taken
        left -= taken
        if (first.done === first.records.length) {
          lane.pending.shift()
          first.acknowledge()
        }
      }
    },
    clear: () => lanes.clear(),
  }
}

const nextChunk = ({ topic, partition, pending }: Lane, limits: Limits): Chunk => {
  const records: OutgoingRecord[] = []
  let bytes = 0
  for (const waiting of pending) {
    for (let index = waiting.done; index < waiting.records.length; index++) {
      const record = waiting.records[index]!
      const size = recordBytes(record)
      if (records.length > 0 && (records.length >= limits.records || bytes + size > limits.bytes))
        return { topic, partition, records, bytes }
      records.push(record)
      bytes += size
    }
  }
  return { topic, partition, records, bytes }
}
