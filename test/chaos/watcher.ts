/** A consumer that reads predictions while things happen, as a reader of committed records: how they flow, in which order, and the gaps between. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createMessageCodec } from '../../pipeline/avro/message-codec.js'
import { createRegistry } from '../../pipeline/avro/registry.js'
import { readTopic } from '../../pipeline/kafka/topic-reader.js'
import type { World } from './world.js'

export interface Gap {
  /** when it began, milliseconds since the epoch */
  readonly at: number
  readonly ms: number
}

export interface Watcher {
  /** predictions that were seen, duplicates included */
  readonly seen: number
  /** … that were not of an offset beyond all before them of their partition: repeated, or out of order */
  readonly stale: number
  /** … that were of an older generation than one before them in their partition */
  readonly backwards: number
  /** the greatest of a prediction that was seen */
  readonly generation: number
  /** the longest silences, longest first */
  readonly gaps: readonly Gap[]
  /** when a partition's predictions were seen to be of another generation than before */
  readonly changes: readonly number[]
  /** The longest silence that lies in, or reaches into, `[from, to)`. */
  longestBetween(from: number, to: number): number
  /** While this runs the consumer does not read: a slow one. */
  pause(ms: number): Promise<void>
  end(): Promise<void>
}

export function startWatcher({ kafka, topics, registry: url }: World): Watcher {
  const registry = createRegistry({ url })
  const codec = createMessageCodec(registry)
  const generations = new Map<number, number>()
  const offsets = new Map<number, number>()
  const changes: number[] = []
  const ending = new AbortController()
  const gaps: Gap[] = []
  let seen = 0
  let stale = 0
  let backwards = 0
  let greatest = 0
  let last: number | undefined
  let paused: Promise<unknown> | undefined

  const run = async () => {
    const reading = readTopic(kafka, topics.predictions, {
      from: 'beginning',
      follow: true,
      maxWaitMs: 10,
      signal: ending.signal,
    })
    for await (const { partition, records } of reading) {
      if (paused) {
        await paused
        last = undefined
      }
      const now = Date.now()
      if (last !== undefined && now > last) gaps.push({ at: last, ms: now - last })
      if (gaps.length > 100_000) gaps.sort((one, other) => other.ms - one.ms).length = 50_000
      last = now
      seen += records.length
      for (const { value } of records) {
        const { generation, offset } = await codec.decodePrediction(value!)
        if (offset <= (offsets.get(partition) ?? -1)) stale++
        else offsets.set(partition, offset)
        const before = generations.get(partition) ?? generation
        if (generation > before) changes.push(now)
        if (generation < before) backwards++
        else generations.set(partition, generation)
        greatest = Math.max(greatest, generation)
      }
    }
  }
  const running = run()
  return {
    get seen() {
      return seen
    },
    get stale() {
      return stale
    },
    get backwards() {
      return backwards
    },
    get generation() {
      return greatest
    },
    get gaps() {
      return gaps.toSorted((one, other) => other.ms - one.ms)
    },
    changes,
    longestBetween: (from, to) =>
      gaps.reduce((longest, { at, ms }) => (at < to && at + ms >= from ? Math.max(longest, ms) : longest), 0),
    async pause(ms) {
      paused = sleep(ms)
      await paused
      paused = undefined
    },
    async end() {
      ending.abort()
      await running
      registry.close()
    },
  }
}
