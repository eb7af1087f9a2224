import type { BatchSize, SizeOptions } from './batch-size.js'
import type { ByDeadline } from './by-deadline.js'

/** Of sizes that score about as many in time for each millisecond the smallest is taken: with it the fewest are left out, and lost when it takes long. */
const aboutAsMany = 0.98

export interface MostInTime<Merged> {
  readonly merged: Merged
  readonly size: BatchSize
  /** records ready in time for each millisecond of the model */
  readonly rate: number
}

/**
 * The size that has most records ready in time for each millisecond, for when not all can be: a batch kept small for the sake of one record
 * would cost many others theirs. `merge` gives what can be ready at `readyAt`, at most so many of it.
 */
export function mostInTime<Merged extends Pick<ByDeadline, 'count'>>(
  merge: (most: number, readyAt: number) => Merged,
  { maxRecords, startsAt, costs }: Omit<SizeOptions, 'firm'>,
): MostInTime<Merged> {
  const sizeAt = (rows: number) => {
    const readyAt = startsAt + costs.mostMs(rows) + costs.afterMs
    const merged = merge(rows, readyAt)
    const rate = merged.count / Math.max(costs.likelyMs(merged.count), 1e-3)
    return { merged, rate, size: { rows: merged.count, readyAt, slackMs: 0 } }
  }
  let best = sizeAt(maxRecords)
  let most = best.rate
  for (let rows = maxRecords >>> 1; rows > 0; rows >>>= 1) {
    const next = sizeAt(rows)
    if (next.rate < aboutAsMany * most) continue
    most = Math.max(most, next.rate)
    best = next
  }
  return best
}
