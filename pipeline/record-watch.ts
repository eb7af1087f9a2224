/**
 * The records of a topic of the deployment, whichever worker wrote them, for people to look at: read while somebody looks, and not at all
 * otherwise. However many there are, a few are kept; of a flood the newest are looked at once a second, and what it brought in between is only
 * counted.
 */
import { Subscription } from 'rxjs'
import { lineOf } from '../stages/errors.js'
import type { SourceRecord } from '../stages/ports.js'
import { createBackoff, pause } from './backoff.js'
import type { ReadRecords, ReadTopicOptions } from './kafka/topic-reader.js'
import { notLookedAt, type Watched } from './watched.js'

export interface RecordWatch<Sample> {
  /** A new object after every change; nothing while nobody looks. */
  readonly current: Watched<Sample>
  /** Looks until it is unsubscribed. */
  look(): Subscription
}

export interface RecordWatchOptions<Sample> {
  readonly read: (options: ReadTopicOptions) => AsyncIterable<ReadRecords>
  /** What is shown of a record. Rejects when that cannot be known now; it is asked again then. */
  readonly sample: (record: SourceRecord, partition: number) => Sample | Promise<Sample>
  readonly kindOf: (sample: Sample) => string
  /** false: the records are only counted; true by default */
  readonly shown?: boolean
}

const kept = 12
/** of each partition, as the looking begins */
const lastOfPartition = 50
/** A fetch that brings more is part of a flood. */
const mostAtOnce = 500
const mostKinds = 40

export function createRecordWatch<Sample extends { readonly at: number }>(
  options: RecordWatchOptions<Sample>,
): RecordWatch<Sample> {
  const { read, sample, kindOf, shown = true } = options
  let current: Watched<Sample> = notLookedAt
  let onlookers = 0
  let looking = new AbortController()

  const withSample = ({ latest, counts, since }: Watched<Sample>, one: Sample): Partial<Watched<Sample>> => {
    const own = kindOf(one)
    const isKept = Object.hasOwn(counts, own) || Object.keys(counts).length < mostKinds
    const kind = isKept ? own : 'other'
    return {
      counts: { ...counts, [kind]: (Object.hasOwn(counts, kind) ? counts[kind]! : 0) + 1 },
      since: Math.min(since ?? one.at, one.at),
      latest: shown ? [one, ...latest].sort((before, after) => after.at - before.at).slice(0, kept) : [],
    }
  }

  const follow = async (signal: AbortSignal) => {
    const become = (next: Partial<Watched<Sample>>) => {
      if (!signal.aborted) current = { ...current, ...next }
    }
    const onState: NonNullable<ReadTopicOptions['onState']> = (state, detail) =>
      become({ trouble: state === 'waiting' ? detail : null })
    /** by partition, the offset after the last that was looked at */
    const next = new Map<number, number>()
    const take = async ({ partition, records }: ReadRecords) => {
      const looked = records.slice(-mostAtOnce)
      const samples = await Promise.all(looked.map((record) => sample(record, partition)))
      become({ skipped: current.skipped + records.length - looked.length })
      for (const one of samples) become(withSample(current, one))
      next.set(partition, records[records.length - 1]!.offset + 1)
    }
    /** The newest of every partition, without those that were looked at before. */
    const catchUp = async () => {
      const before = new Map(next)
      for await (const { partition, records } of read({
        from: { last: lastOfPartition },
        follow: false,
        signal,
        onState,
      })) {
        if (!next.has(partition) && records[0]!.offset > 0) become({ whole: false })
        const seenTo = before.get(partition)
        before.delete(partition)
        if (seenTo !== undefined && records[0]!.offset > seenTo)
          become({ skipped: current.skipped + records[0]!.offset - seenTo })
        const fresh = records.filter(({ offset }) => offset >= (next.get(partition) ?? 0))
        if (fresh.length > 0) await take({ partition, records: fresh })
      }
      become({ known: true, trouble: null })
    }
    for (const backoff = createBackoff(1_000, 30_000); !signal.aborted; ) {
      try {
        await catchUp()
        for await (const one of read({ from: next, follow: true, signal, onState })) {
          await take(one)
          if (one.records.length > mostAtOnce) break
        }
        backoff.reset()
        await pause(1_000, signal)
      } catch (error) {
        become({ trouble: lineOf(error) })
        await backoff.wait(signal)
      }
    }
  }

  return {
    get current() {
      return current
    },
    look() {
      if (onlookers++ === 0) {
        looking = new AbortController()
        void follow(looking.signal)
      }
      return new Subscription(() => {
        if (--onlookers > 0) return
        looking.abort()
        current = notLookedAt
      })
    },
  }
}
