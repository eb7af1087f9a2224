import { type BatchSize, firstFrom, likely, type SizeOptions } from './batch-size.js'

/** Of sizes that score about as many in time for each millisecond the smallest is taken: with it the fewest are left out, and lost when it takes long. */
const aboutAsMany = 0.98

/**
 * The size that has most records ready in time for each millisecond, for when not all can be: a batch kept small for the sake of one record
 * would cost many others theirs. `deadlines`, ascending, are those of all that waits and could likely be ready alone; at least one.
 *
 * Those that are safe go first, the most urgent before the others. Where too few are safe, the least urgent go: what has most time left
 * is likeliest to be in time, and the others could not all be.
 */
export function mostInTime(
  deadlines: Float64Array,
  { maxRecords, startsAt, costs }: Omit<SizeOptions, 'firm'>,
): BatchSize {
  const { length } = deadlines
  const hoped = likely(costs)

  function sizeAt(most: number): { readonly rows: number; readonly readyAt: number; readonly rate: number } {
    const safeAt = startsAt + costs.mostMs(most) + costs.afterMs
    if (length - firstFrom(deadlines, length, safeAt) >= most)
      return { rows: most, readyAt: safeAt, rate: rateOf(most, 1) }
    const likelyAt = startsAt + hoped.mostMs(most) + hoped.afterMs
    const first = Math.max(firstFrom(deadlines, length, likelyAt), length - most)
    if (first === length) return { rows: 0, readyAt: likelyAt, rate: 0 }
    const readyAt = Math.min(deadlines[first]!, safeAt)
    // Half of such batches are ready at the one time, nearly all at the other.
    const chance = safeAt > likelyAt ? 0.5 + (readyAt - likelyAt) / (safeAt - likelyAt) / 2 : 1
    return { rows: length - first, readyAt, rate: rateOf(length - first, chance) }
  }

  const rateOf = (rows: number, chance: number) => (chance * rows) / Math.max(costs.likelyMs(rows), 1e-3)

  let best = sizeAt(maxRecords)
  let highest = best.rate
  for (let most = maxRecords >>> 1; most > 0; most >>>= 1) {
    const next = sizeAt(most)
    if (next.rate < aboutAsMany * highest) continue
    highest = Math.max(highest, next.rate)
    best = next
  }
  return { rows: best.rows, readyAt: best.readyAt, slackMs: 0 }
}
