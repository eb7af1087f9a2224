import type { ByDeadline } from './by-deadline.js'

/** What scoring costs a batch with so many rows, in milliseconds; must not fall as rows are added. 0: not known yet. */
export interface BatchCosts {
  /** what half of such batches keep below */
  likelyMs(rows: number): number
  /** what 99 of 100 keep below */
  mostMs(rows: number): number
  /** from scored to acknowledged, what 99 of 100 keep below */
  readonly afterMs: number
  /** … and what half do; as many milliseconds where it is not told */
  readonly likelyAfterMs?: number
}

export interface SizeOptions {
  readonly maxRecords: number
  /** when the model is free, milliseconds since the epoch */
  readonly startsAt: number
  /** whether records that would be late are left out instead of scored */
  readonly firm: boolean
  readonly costs: BatchCosts
}

export interface BatchSize {
  /** records to score */
  readonly rows: number
  /** when they will be ready, but for one batch in a hundred: with firm deadlines, what is to be ready before is left out */
  readonly readyAt: number
  /** so much longer could the batch wait and still be ready for the most urgent record in it */
  readonly slackMs: number
}

/** Batches looked ahead. What cannot be done in so many has too much before it for fine distinctions. */
const lookahead = 8

/** The costs of one who hopes: as likely met as not. */
export const likely = ({ likelyMs, afterMs, likelyAfterMs = afterMs }: BatchCosts): BatchCosts => ({
  likelyMs,
  mostMs: likelyMs,
  afterMs: likelyAfterMs,
})

/** When a single record will likely be ready at the earliest: what is due before cannot make it any more. */
export const earliestReady = ({ startsAt, costs }: Pick<SizeOptions, 'startsAt' | 'costs'>): number => {
  const { likelyMs, afterMs } = likely(costs)
  return startsAt + likelyMs(1) + afterMs
}

/**
 * How many of what waits to score at once. Where everything that waits can be ready in time, in batches as large as the most urgent record of
 * each allows, the first of those. Otherwise, with soft deadlines, everything: late is better than never; with firm ones undefined: see `mostInTime`.
 */
export function batchSize(
  { count, urgency }: Pick<ByDeadline, 'count' | 'urgency'>,
  options: SizeOptions,
): BatchSize | undefined {
  const { maxRecords, startsAt, firm, costs } = options
  const readyAt = (rows: number, from = startsAt) => from + costs.mostMs(rows) + costs.afterMs
  const sized = (rows: number): BatchSize => {
    const ready = readyAt(rows)
    return { rows, readyAt: ready, slackMs: (urgency[firstFrom(urgency, count, firm ? ready : 0)] ?? ready) - ready }
  }

  /** The most that can be ready for the record at `first` when they begin at `from`; 0: not even that alone. */
  function largestFor(first: number, from: number): number {
    let low = 0
    let high = Math.min(maxRecords, count - first)
    if (readyAt(high, from) <= urgency[first]!) return high
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (readyAt(middle, from) <= urgency[first]!) low = middle
      else high = middle - 1
    }
    return low
  }

  /** The first batch of a row of batches that has everything ready in time; 0 when none does. */
  function withoutLoss(): number {
    let from = startsAt
    let firstSize = 0
    let done = 0
    for (let batch = 0; batch < lookahead && done < count; batch++) {
      const rows = largestFor(done, from)
      if (rows === 0) return 0
      firstSize ||= rows
      from += costs.likelyMs(rows)
      done += rows
    }
    return done < count ? 0 : firstSize
  }

  const rows = withoutLoss()
  if (rows > 0) return sized(rows)
  return firm ? undefined : sized(Math.min(maxRecords, count))
}

/** Index of the first of `count` ascending numbers that is not below `bound`. */
export function firstFrom(ascending: Float64Array, count: number, bound: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ascending[middle]! < bound) low = middle + 1
    else high = middle
  }
  return low
}
