import type { Fetched, Generation, ModelChoice, SourceRecord } from './ports.js'
import { recordBytes } from './record-bytes.js'

/** A part of a `Fetched` that one generation scores. */
export interface Run extends Fetched {
  readonly generation: Generation
}

/**
 * Splits fetched records where the generation changes, and after `maxRecords`. The parts cover `[start, next)` without gap or overlap, and
 * their bytes add up. Lazy: a part's generation is chosen when the part is asked for, so a switch takes effect at the next part.
 * A `Fetched` without records (only a gap) is one part.
 */
export function* splitFetched(fetched: Fetched, choice: ModelChoice, maxRecords: number): Generator<Run, void, void> {
  const { topic, partition, records } = fetched
  let first = 0
  let start = fetched.start
  let bytesLeft = fetched.bytes
  do {
    const { generation, until } = choice.choose(topic, partition, records[first]?.offset ?? start)
    const end = endOfRun(records, first, until, maxRecords)
    if (first === 0 && end === records.length) {
      yield { ...fetched, generation }
      return
    }
    const last = end === records.length
    const next = last ? fetched.next : records[end - 1]!.offset + 1
    const bytes = last ? bytesLeft : Math.min(bytesLeft, bytesOf(records, first, end))
    yield { topic, partition, start, next, records: records.slice(first, end), bytes, generation }
    first = end
    start = next
    bytesLeft -= bytes
  } while (first < records.length)
}

/** Index after the last record of the run that begins at `first`: below `until`, at most `maxRecords`, at least one. */
function endOfRun(records: readonly SourceRecord[], first: number, until: number, maxRecords: number): number {
  const limit = Math.min(records.length, first + maxRecords)
  if (limit === first || records[limit - 1]!.offset < until) return limit
  let low = first + 1
  let high = limit
  while (low < high) {
    const middle = (low + high) >>> 1
    if (records[middle]!.offset < until) low = middle + 1
    else high = middle
  }
  return low
}

function bytesOf(records: readonly SourceRecord[], from: number, to: number): number {
  let bytes = 0
  for (let i = from; i < to; i++) bytes += recordBytes(records[i]!)
  return bytes
}
