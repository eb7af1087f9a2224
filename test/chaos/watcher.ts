/** A consumer that reads predictions while things happen, as a reader of committed records: how they flow, and the gaps between them. */
import { setTimeout as sleep } from 'node:timers/promises'
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
  /** the longest silences, longest first */
  readonly gaps: readonly Gap[]
  /** The longest silence that lies in, or reaches into, `[from, to)`. */
  longestBetween(from: number, to: number): number
  /** While this runs the consumer does not read: a slow one. */
  pause(ms: number): Promise<void>
  end(): Promise<void>
}

export function startWatcher({ kafka, topics }: World): Watcher {
  const ending = new AbortController()
  const gaps: Gap[] = []
  let seen = 0
  let last: number | undefined
  let paused: Promise<unknown> | undefined

  const run = async () => {
    const reading = readTopic(kafka, topics.predictions, {
      from: 'beginning',
      follow: true,
      maxWaitMs: 10,
      signal: ending.signal,
    })
    for await (const { records } of reading) {
      if (paused) {
        await paused
        last = undefined
      }
      const now = Date.now()
      if (last !== undefined && now > last) gaps.push({ at: last, ms: now - last })
      if (gaps.length > 100_000) gaps.sort((one, other) => other.ms - one.ms).length = 50_000
      last = now
      seen += records.length
    }
  }
  const running = run()
  return {
    get seen() {
      return seen
    },
    get gaps() {
      return gaps.toSorted((one, other) => other.ms - one.ms)
    },
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
    },
  }
}
