import type { BatchSize } from './batch-size.js'
import type { ByDeadline } from './by-deadline.js'
import type { Leases } from './leases.js'
import { type Line, noRow, type Waiting } from './line.js'
import { missed } from './missed.js'
import type { Decoded, Missed } from './ports.js'
import { sliceDecoded } from './slice-decoded.js'
import { withMissed } from './with-missed.js'

export interface TakeOptions {
  readonly size: BatchSize
  /** whether what is to be ready before the batch is rejected as `Missed` */
  readonly firm: boolean
  /** What is to be ready before is taken along behind what is taken, as far as it reaches. */
  readonly bound: number
  readonly leases: Leases
}

/**
 * Takes a batch out of the lines: the first of `merged` until `size.rows` of them can be ready, with everything that is ahead of them. Parts that
 * are taken in pieces take one lease more for each piece but the last.
 */
export function takeBatch(lines: readonly Line[], merged: ByDeadline, options: TakeOptions): Decoded[] {
  const { size, firm } = options
  const reach = new Int32Array(lines.length)
  let rows = 0
  for (let i = 0; i < merged.count && rows < size.rows; i++) {
    reach[merged.lines[i]!] = merged.reach[i]!
    if (!firm || merged.deadlines[i]! >= size.readyAt) rows++
  }
  return lines.flatMap((line, index) => takeFrom(line, reach[index]!, merged.generation, options))
}

function takeFrom(line: Line, count: number, generation: number | undefined, options: TakeOptions): Decoded[] {
  const { parts } = line
  const taken: Decoded[] = []
  let left = count
  for (let head = parts[0]; head && head.decoded.generation.number === generation; head = parts[0]) {
    const { length } = head.deadlines
    let to = Math.min(length, head.from + left)
    left -= to - head.from
    if (left === 0) while (to < length && head.deadlines[to]! < options.bound) to++
    if (to === head.from && length > 0) break
    taken.push(takePiece(head, to, options))
    if (to < length) break
    parts.shift()
  }
  return taken
}

function takePiece(waiting: Waiting, to: number, { leases, firm, size }: TakeOptions): Decoded {
  const { decoded, deadlines, from, bytesLeft } = waiting
  const { length } = deadlines
  const bytes = to === length ? bytesLeft : Math.floor((bytesLeft * (to - from)) / (length - from))
  // The whole holds one lease, which its last piece inherits.
  if (to < length) leases.retain(decoded.generation)
  waiting.from = to
  waiting.bytesLeft -= bytes
  const piece = sliceDecoded(decoded, from, to, bytes)
  return firm ? withMissed(piece, missedIn(deadlines, from, to, size.readyAt)) : piece
}

function missedIn(deadlines: Float64Array, from: number, to: number, readyAt: number): ReadonlyMap<number, Missed> {
  const late = new Map<number, Missed>()
  for (let i = from; i < to; i++)
    if (deadlines[i]! < readyAt && deadlines[i] !== noRow)
      late.set(i - from, missed('admission', deadlines[i]!, readyAt))
  return late
}
