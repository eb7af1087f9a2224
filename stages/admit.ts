import { deadlineOf } from './deadline.js'
import { missed } from './missed.js'
import type { DecodedRows, Missed, RecordDecoder, Rejected, SourceRecord } from './ports.js'

export interface AdmitOptions {
  readonly decoder: RecordDecoder
  /** of the deployment: milliseconds from the timestamp of a record */
  readonly deadlineMs: () => number
  /** milliseconds since the epoch */
  readonly now: () => number
}

/** A decoder that does not decode what is too late already: records whose firm deadline has passed are rejected as `Missed`. */
export function admit({ decoder, deadlineMs, now }: AdmitOptions): RecordDecoder {
  return {
    decode(records, plan) {
      const late = missedAt(now(), records, deadlineMs())
      if (late.size === 0) return decoder.decode(records, plan)
      const admitted = records.filter((_, index) => !late.has(index))
      const decoded = decoder.decode(admitted, plan)
      const merge = (rows: DecodedRows) => mergeRejected(rows, late, records.length)
      return decoded instanceof Promise ? decoded.then(merge) : merge(decoded)
    },
  }
}

function missedAt(now: number, records: readonly SourceRecord[], ms: number): Map<number, Missed> {
  const late = new Map<number, Missed>()
  for (let i = 0; i < records.length; i++) {
    const deadline = deadlineOf(records[i]!, ms)
    if (deadline < now) late.set(i, missed('admission', deadline, now))
  }
  return late
}

/** `rows.rejected` counts the admitted records only; here it is brought back to all of them. */
function mergeRejected(rows: DecodedRows, late: ReadonlyMap<number, Missed>, count: number): DecodedRows {
  if (rows.rejected.size === 0) return { ...rows, rejected: late }
  const rejected = new Map<number, Rejected>(late)
  let admitted = 0
  for (let i = 0; i < count; i++) {
    if (late.has(i)) continue
    const bad = rows.rejected.get(admitted++)
    if (bad) rejected.set(i, bad)
  }
  return { ...rows, rejected }
}
