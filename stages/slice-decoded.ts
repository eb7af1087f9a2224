import type { Decoded, Rejected } from './ports.js'
import { recordBytes } from './record-bytes.js'
import { sliceRows } from './slice-rows.js'

/**
 * Records `[from, to)` of a part with their rows. Slices that follow one another cover the offsets of the whole without gap or overlap.
 * Numbers are shared with the whole (subarray), never copied. `bytes` is what the slice answers for; leases are the caller's business.
 */
export function sliceDecoded(decoded: Decoded, from: number, to: number, bytes: number): Decoded {
  const { records } = decoded
  if (from === 0 && to === records.length) return decoded
  const firstRow = rowOf(decoded, from)
  const endRow = rowOf(decoded, to)
  return {
    topic: decoded.topic,
    partition: decoded.partition,
    generation: decoded.generation,
    start: from === 0 ? decoded.start : records[from - 1]!.offset + 1,
    next: to === records.length ? decoded.next : records[to - 1]!.offset + 1,
    records: records.slice(from, to),
    bytes,
    rejected: sliceRejected(decoded.rejected, from, to),
    rows: sliceRows(decoded.rows, firstRow, endRow),
    echo: decoded.echo?.slice(firstRow, endRow),
  }
}

/** Where to cut. */
export interface Cut {
  /** index after the last record that fits */
  readonly to: number
  /** bytes of the records up to there; the last cut gets all that is left */
  readonly bytes: number
}

/** How many records from `from` on (at least `atLeast`) fit into `maxRecords` and `maxBytes`. `bytesLeft` are those of all from `from` on. */
export function cutDecoded(
  decoded: Decoded,
  from: number,
  bytesLeft: number,
  room: { readonly records: number; readonly bytes: number; readonly atLeast: number },
): Cut {
  const { records } = decoded
  if (records.length - from <= room.records && bytesLeft <= room.bytes) return { to: records.length, bytes: bytesLeft }
  const limit = Math.min(records.length, from + room.records)
  let to = from
  let bytes = 0
  while (to < limit) {
    const more = recordBytes(records[to]!)
    if (bytes + more > room.bytes && to - from >= room.atLeast) break
    bytes += more
    to++
  }
  return { to, bytes: to === records.length ? bytesLeft : Math.min(bytes, bytesLeft) }
}

/** Row of the record at `index`: as many as there are unrejected records before it. */
function rowOf({ rejected }: Decoded, index: number): number {
  let row = index
  for (const at of rejected.keys()) if (at < index) row--
  return row
}

function sliceRejected(
  rejected: ReadonlyMap<number, Rejected>,
  from: number,
  to: number,
): ReadonlyMap<number, Rejected> {
  const sliced = new Map<number, Rejected>()
  for (const [index, reason] of rejected) if (index >= from && index < to) sliced.set(index - from, reason)
  return sliced
}
