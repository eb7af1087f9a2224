/**
 * The dead letters of a deployment, whichever worker wrote them: read from their topic while somebody looks, and not at all otherwise. However
 * many there are, a few are kept; of a flood the newest are looked at once a second, and what it brought in between is only counted.
 */
import { Subscription } from 'rxjs'
import { lineOf } from '../stages/errors.js'
import { createBackoff, pause } from './backoff.js'
import { toDeadLetter } from './dead-letter.js'
import type { ReadRecords, ReadTopicOptions } from './kafka/topic-reader.js'
import { type DeadLetterSample, type DeadLetters, letterSample } from './letter-sample.js'

export interface LetterWatch {
  /** A new object after every change; nothing while nobody looks. */
  readonly current: DeadLetters
  /** Looks until it is unsubscribed. */
  look(): Subscription
}

export interface LetterWatchOptions {
  readonly read: (options: ReadTopicOptions) => AsyncIterable<ReadRecords>
  /** false: the records are only counted; true by default */
  readonly shown?: boolean
}

const kept = 12
/** of each partition, as the looking begins */
const lastOfPartition = 50
/** A fetch that brings more is part of a flood. */
const mostAtOnce = 500
const mostCodes = 40
const nothing: DeadLetters = { latest: [], counts: {}, since: null, skipped: 0, known: false, trouble: null }

export function createLetterWatch({ read, shown = true }: LetterWatchOptions): LetterWatch {
  let current = nothing
  let onlookers = 0
  let looking = new AbortController()

  const follow = async (signal: AbortSignal) => {
    const become = (next: Partial<DeadLetters>) => {
      if (!signal.aborted) current = { ...current, ...next }
    }
    const onState: NonNullable<ReadTopicOptions['onState']> = (state, detail) =>
      become({ trouble: state === 'waiting' ? detail : null })
    /** by partition, the offset after the last that was looked at */
    const next = new Map<number, number>()
    const take = ({ partition, records }: ReadRecords) => {
      const looked = records.slice(-mostAtOnce)
      become({ skipped: current.skipped + records.length - looked.length })
      for (const record of looked) become(withLetter(current, letterSample(toDeadLetter(record, partition)), shown))
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
        const seenTo = before.get(partition)
        before.delete(partition)
        if (seenTo !== undefined && records[0]!.offset > seenTo)
          become({ skipped: current.skipped + records[0]!.offset - seenTo })
        const fresh = records.filter(({ offset }) => offset >= (next.get(partition) ?? 0))
        if (fresh.length > 0) take({ partition, records: fresh })
      }
      become({ known: true, trouble: null })
    }
    for (const backoff = createBackoff(1_000, 30_000); !signal.aborted; ) {
      try {
        await catchUp()
        for await (const one of read({ from: next, follow: true, signal, onState })) {
          take(one)
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
        current = nothing
      })
    },
  }
}

const withLetter = (before: DeadLetters, letter: DeadLetterSample, shown: boolean): Partial<DeadLetters> => {
  const { latest, counts, since } = before
  const isKept = Object.hasOwn(counts, letter.code) || Object.keys(counts).length < mostCodes
  const code = isKept ? letter.code : 'other'
  return {
    counts: { ...counts, [code]: (Object.hasOwn(counts, code) ? counts[code]! : 0) + 1 },
    since: Math.min(since ?? letter.at, letter.at),
    latest: shown ? [letter, ...latest].sort((one, other) => other.at - one.at).slice(0, kept) : [],
  }
}
