import type { Covered, TopicPartition } from './ports.js'

interface Watermark {
  readonly topic: string
  readonly partition: number
  /** everything below is covered */
  next: number
  /** everything below was taken for a commit */
  taken: number
  /** covered ranges beyond a hole, by start */
  readonly ahead: Covered[]
}

export interface Watermarks {
  /** Notes that `[start, next)` is done, in any order. */
  cover(range: Covered): void
  /** What can be committed now and was not taken before: one contiguous range per partition that has grown. */
  take(): Covered[]
  /** whether `take` would return anything */
  readonly grown: boolean
}

/**
 * Tracks, per partition, how far everything is done without a hole: what may be committed. A partition begins at its entry in `starts`, or,
 * without one, at the first range that is covered (which is right as long as ranges arrive in order).
 */
export function createWatermarks(starts: readonly (TopicPartition & { readonly start: number })[] = []): Watermarks {
  const topics = new Map<string, Map<number, Watermark>>()
  const all: Watermark[] = []
  for (const { topic, partition, start } of starts) watermarkOf(topic, partition, start)

  function watermarkOf(topic: string, partition: number, start: number): Watermark {
    let partitions = topics.get(topic)
    if (!partitions) {
      partitions = new Map()
      topics.set(topic, partitions)
    }
    let watermark = partitions.get(partition)
    if (!watermark) {
      watermark = { topic, partition, next: start, taken: start, ahead: [] }
      partitions.set(partition, watermark)
      all.push(watermark)
    }
    return watermark
  }

  return {
    cover(range) {
      const watermark = watermarkOf(range.topic, range.partition, range.start)
      const { ahead } = watermark
      if (range.start > watermark.next) {
        const at = ahead.findIndex((one) => one.start > range.start)
        ahead.splice(at === -1 ? ahead.length : at, 0, range)
        return
      }
      watermark.next = Math.max(watermark.next, range.next)
      while (ahead[0] && ahead[0].start <= watermark.next)
        watermark.next = Math.max(watermark.next, ahead.shift()!.next)
    },
    take() {
      const grown: Covered[] = []
      for (const watermark of all) {
        const { topic, partition, taken, next } = watermark
        if (next === taken) continue
        grown.push({ topic, partition, start: taken, next })
        watermark.taken = next
      }
      return grown
    },
    get grown() {
      return all.some(({ next, taken }) => next > taken)
    },
  }
}
