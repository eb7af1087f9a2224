import { armOf } from './canary.js'
import type { Choice, Fetched, Generation, SourceRecord } from './ports.js'
import { recordBytes } from './record-bytes.js'

/** A part of a `Fetched` that one generation scores. */
export interface Run extends Fetched {
  readonly generation: Generation
}

/** The offset whose generation decides about the front of the run: that of its first record, or its start where it has only a gap. */
export const frontOffset = ({ records, start }: Fetched): number => records[0]?.offset ?? start

/**
 * Cuts the front off a run: the records below `until`, at most `maxRecords`, at least one; in a canary, those of one model. Front and rest
 * cover `[start, next)` without gap or overlap, and their bytes add up. No rest when the front is all of it.
 */
export function splitFront(
  fetched: Fetched,
  { generation: chosen, until }: Choice,
  maxRecords: number,
): { readonly run: Run; readonly rest: Fetched | undefined } {
  const { topic, partition, start, records } = fetched
  const generation = records[0] ? armOf(chosen, partition, records[0]) : chosen
  const limit = endOfRun(records, until, maxRecords)
  const end = chosen.canary ? endOfArm(fetched, chosen, generation, limit) : limit
  if (end === records.length) {
    const { next, bytes } = fetched
    // Not spread: see "What keeps it fast" in pipeline/docs/speed.md.
    return { run: { topic, partition, start, next, records, bytes, generation }, rest: undefined }
  }
  const next = records[end - 1]!.offset + 1
  const bytes = Math.min(fetched.bytes, bytesOf(records, end))
  return {
    run: { topic, partition, start, next, records: records.slice(0, end), bytes, generation },
    rest: {
      topic,
      partition,
      start: next,
      next: fetched.next,
      records: records.slice(end),
      bytes: fetched.bytes - bytes,
    },
  }
}

/** Index after the last record of the front that the same model scores. */
function endOfArm({ partition, records }: Fetched, chosen: Generation, arm: Generation, limit: number): number {
  let end = Math.min(1, limit)
  while (end < limit && armOf(chosen, partition, records[end]!) === arm) end++
  return end
}

/** Index after the last record of the front. */
function endOfRun(records: readonly SourceRecord[], until: number, maxRecords: number): number {
  const limit = Math.min(records.length, maxRecords)
  if (limit === 0 || records[limit - 1]!.offset < until) return limit
  let low = 1
  let high = limit
  while (low < high) {
    const middle = (low + high) >>> 1
    if (records[middle]!.offset < until) low = middle + 1
    else high = middle
  }
  return low
}

function bytesOf(records: readonly SourceRecord[], to: number): number {
  let bytes = 0
  for (let i = 0; i < to; i++) bytes += recordBytes(records[i]!)
  return bytes
}
