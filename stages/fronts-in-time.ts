import { type BatchCosts, batchSize, earliestReady, likely } from './batch-size.js'
import { isMissed } from './missed.js'
import { mostInTime } from './most-in-time.js'
import type { Decoded } from './ports.js'

/** What a fallback is given of a part. */
export interface Front {
  /** so many records at the beginning of the part */
  readonly length: number
  /** indices of those that the fallback can have ready */
  readonly chosen: readonly number[]
}

export interface FrontOptions {
  readonly costs: BatchCosts
  /** when the fallback is free */
  readonly startsAt: number
  readonly maxRecords: number
}

/** What goes to the fallback next: where it cannot have everything ready in time, as much of it as it can. */
export function frontsInTime(parts: readonly Decoded[], options: FrontOptions): Map<Decoded, Front> {
  if (parts.every(({ rejected }) => rejected.size === 0)) return new Map()
  const all = frontsOf(parts, earliestReady(options), Number.POSITIVE_INFINITY)
  const deadlines = Float64Array.from([...all].flatMap(([part, front]) => deadlinesOf(part, front))).sort()
  if (deadlines.length === 0) return all
  const waiting = { count: deadlines.length, urgency: deadlines }
  const sized = { ...options, maxRecords: Math.min(options.maxRecords, deadlines.length), firm: true }
  const { rows, readyAt } =
    batchSize(waiting, sized) ??
    batchSize(waiting, { ...sized, costs: likely(options.costs) }) ??
    mostInTime(deadlines, sized)
  return frontsOf(parts, readyAt, rows)
}

const deadlinesOf = ({ rejected }: Decoded, { chosen }: Front): number[] =>
  chosen.flatMap((index) => {
    const why = rejected.get(index)
    return why && isMissed(why) ? [why.deadline] : []
  })

/**
 * Of each partition what comes first and is not scored anyway, as far as there is something in it that is due at `readyAt` or later: at most
 * `most` of that. What is ahead of it is lost in any case, and goes along.
 */
function frontsOf(parts: readonly Decoded[], readyAt: number, most: number): Map<Decoded, Front> {
  const fronts = new Map<Decoded, Front>()
  const blocked = new Set<string>()
  /** by partition, parts with nothing that could be ready */
  const ahead = new Map<string, Decoded[]>()
  let left = most
  for (const part of parts) {
    const name = `${part.topic}/${part.partition}`
    if (blocked.has(name)) continue
    const chosen: number[] = []
    let index = 0
    for (let found = part.rejected.get(0); found && left > 0; found = part.rejected.get(++index))
      if (isMissed(found) && found.deadline >= readyAt) {
        chosen.push(index)
        left--
      }
    const isWhole = index === part.records.length
    if (chosen.length > 0) {
      for (const one of ahead.get(name) ?? []) fronts.set(one, { length: one.records.length, chosen: [] })
      ahead.delete(name)
      fronts.set(part, { length: isWhole ? index : chosen.at(-1)! + 1, chosen })
    } else if (isWhole) ahead.set(name, [...(ahead.get(name) ?? []), part])
    if (!isWhole) blocked.add(name)
  }
  return fronts
}
