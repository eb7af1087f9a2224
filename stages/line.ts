import { deadlineOf } from './deadline.js'
import type { Decoded, TopicPartition } from './ports.js'

/** The deadline of what is not scored anyway: it hurries nobody, and is passed over. */
export const noRow = Number.NEGATIVE_INFINITY
/** Before every deadline of a record that is to be scored. */
export const always = -Number.MAX_VALUE

/** A part that waits in a line. Times are milliseconds since the epoch. */
export interface Waiting {
  readonly decoded: Decoded
  /** of each record; `noRow` for one that is not scored anyway */
  readonly deadlines: Float64Array
  /** of each record: the earliest deadline from there to the end of the part */
  readonly urgency: Float64Array
  /** the earliest deadline of what waits behind the part */
  behind: number
  /** by when what has no deadline takes its turn, as if it had been written when it came */
  readonly atLatest: number
  readonly since: number
  /** so many records were taken */
  from: number
  bytesLeft: number
}

/** What waits of one partition, in its order: a record is as urgent as the most urgent one that cannot overtake it. */
export interface Line extends TopicPartition {
  readonly parts: Waiting[]
}

export function joinLine({ parts }: Line, decoded: Decoded, deadlineMs: number, now: number): void {
  const { records, rejected, bytes } = decoded
  const deadlines = new Float64Array(records.length)
  for (let i = 0; i < records.length; i++)
    deadlines[i] = rejected.size > 0 && rejected.has(i) ? noRow : deadlineOf(records[i]!, deadlineMs)
  const waiting: Waiting = {
    decoded,
    deadlines,
    urgency: new Float64Array(records.length),
    behind: Number.POSITIVE_INFINITY,
    atLatest: now + deadlineMs,
    since: now,
    from: 0,
    bytesLeft: bytes,
  }
  const earliest = rate(waiting, always)
  for (let i = parts.length - 1; i >= 0 && parts[i]!.behind > earliest; i--) parts[i]!.behind = earliest
  parts.push(waiting)
}

/** Records whose deadline is before `bound` are not worth hurrying for any more: they make none ahead of them urgent. */
export function giveUp({ parts }: Line, bound: number): void {
  const head = parts[0]
  if (!head || Math.min(head.urgency[head.from] ?? head.behind, head.behind) >= bound) return
  let behind = Number.POSITIVE_INFINITY
  for (let i = parts.length - 1; i >= 0; i--) {
    parts[i]!.behind = behind
    behind = Math.min(behind, rate(parts[i]!, bound))
  }
}

/** Says how urgent each record is that was not taken, and returns how urgent the first of them is. */
function rate({ deadlines, urgency, atLatest, from }: Waiting, bound: number): number {
  let earliest = deadlines.length > from ? atLatest : Number.POSITIVE_INFINITY
  for (let i = deadlines.length - 1; i >= from; i--) {
    const own = deadlines[i]!
    if (own >= bound && own < earliest) earliest = own
    urgency[i] = earliest
  }
  return earliest
}
