import { type BatchCosts, type BatchSize, batchSize, earliestReady, likely } from './batch-size.js'
import { type ByDeadline, byDeadline } from './by-deadline.js'
import { always, giveUp, type Line } from './line.js'
import { mostInTime } from './most-in-time.js'

export interface ChooseOptions {
  readonly maxRecords: number
  /** records in the lines */
  readonly waiting: number
  /** whether records that would be late are left out instead of scored */
  readonly firm: boolean
  readonly costs: BatchCosts
  /** now, and when the model is free: milliseconds since the epoch */
  readonly now: number
  readonly startsAt: number
  /** whether one record may be scored that will be too late by what is known */
  readonly mayProbe: boolean
}

/** What would go if the batch closed now: see `takeBatch`. */
export interface Chosen {
  readonly merged: ByDeadline
  readonly size: BatchSize
  /** What is to be ready before is given up. */
  readonly bound: number
  /** waiting longer would cost somebody the deadline */
  readonly urgent: boolean
}

/**
 * Which of what waits to score together: the most urgent, as many as can be ready in time (see `batchSize`, and `mostInTime` for when not all
 * can). What cannot any more, even alone, is given up: by the median, not by p99. A batch that closes too early is only smaller, but what is given
 * up is lost, and p99 of what follows may be one hiccup of the broker. Where nothing can, by what is known: a probe, if there may be one, or no
 * rows at all.
 */
export function chooseBatch(lines: readonly Line[], options: ChooseOptions): Chosen {
  const { waiting, firm, costs, now, startsAt, mayProbe } = options
  const maxRecords = Math.min(waiting, options.maxRecords)
  const bound = firm ? earliestReady({ startsAt, costs }) : always
  if (firm) for (const line of lines) giveUp(line, bound)
  const merged = byDeadline(lines, maxRecords, bound)
  if (merged.count > 0) {
    const size = batchSize(merged, { maxRecords, startsAt, firm, costs })
    if (size) return { merged, size, bound, urgent: size.rows < merged.count || size.slackMs <= 0 }
    // Whether all can likely be ready matters where they fit in one batch: of more, new ones are there before the last are scored.
    const all = waiting <= maxRecords && batchSize(merged, { maxRecords, startsAt, firm, costs: likely(costs) })
    if (all) return { merged, size: all, bound, urgent: true }
    return { ...overloaded(lines, bound, options), bound, urgent: true }
  }
  const probe = firm && mayProbe ? byDeadline(lines, 1, now) : merged
  if (probe.count > 0) return { merged: probe, size: { rows: 1, readyAt: now, slackMs: 0 }, bound: now, urgent: true }
  return { merged, size: { rows: 0, readyAt: bound, slackMs: Number.POSITIVE_INFINITY }, bound, urgent: false }
}

function overloaded(
  lines: readonly Line[],
  bound: number,
  { waiting, maxRecords, startsAt, costs }: ChooseOptions,
): Pick<Chosen, 'merged' | 'size'> {
  const { count, deadlines } = byDeadline(lines, waiting, bound)
  const ascending = deadlines.slice(0, count).sort()
  const { rows, readyAt } = mostInTime(ascending, { maxRecords: Math.min(count, maxRecords), startsAt, costs })
  const best = byDeadline(lines, rows, readyAt)
  // What is next of the most urgent line may be of another generation, and not worth it.
  const merged = best.count > 0 ? best : byDeadline(lines, 1, bound)
  return { merged, size: { rows: merged.count, readyAt: best.count > 0 ? readyAt : bound, slackMs: 0 } }
}
