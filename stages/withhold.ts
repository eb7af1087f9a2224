import { asyncScheduler, type MonoTypeOperatorFunction, map, type SchedulerLike } from 'rxjs'
import { deadlineOf } from './deadline.js'
import { missed } from './missed.js'
import type { DeadlineRule, Rejected, Scored } from './ports.js'

export interface WithholdOptions {
  /** asked for every batch */
  readonly deadline: () => DeadlineRule
  /** Only its clock is used. */
  readonly scheduler?: SchedulerLike
}

/**
 * Judges what was scored by the clock. Rows whose firm deadline has passed are withheld: they fail as `Missed`. Those past a soft one go on,
 * in `late`. A batch in time passes as it is.
 *
 * @example
 * scored.pipe(withhold({ deadline: () => ({ class: 'firm', ms: 200 }) }))
 */
export function withhold({ deadline, scheduler = asyncScheduler }: WithholdOptions): MonoTypeOperatorFunction<Scored> {
  return map((scored) => {
    const { class: kind, ms } = deadline()
    const now = scheduler.now()
    const past = pastRows(scored, ms, now)
    if (past.size === 0) return scored
    if (kind === 'soft') return { ...scored, late: new Set(past.keys()) }
    const failed = new Map<number, Rejected>(scored.failed)
    for (const [row, deadline] of past) if (!failed.has(row)) failed.set(row, missed('inference', deadline, now))
    return { ...scored, failed }
  })
}

/** The rows that are too late, with their deadlines. */
function pastRows({ parts }: Scored, ms: number, now: number): Map<number, number> {
  const past = new Map<number, number>()
  let row = 0
  for (const { records, rejected } of parts) {
    for (let i = 0; i < records.length; i++) {
      if (rejected.size > 0 && rejected.has(i)) continue
      const deadline = deadlineOf(records[i]!, ms)
      if (deadline < now) past.set(row, deadline)
      row++
    }
  }
  return past
}
