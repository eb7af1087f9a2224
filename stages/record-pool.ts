/**
 * Records that are used again once they have left the pipe. They live for as long as the pipe is full, which is longer than V8's young generation:
 * made anew, each would be moved twice and then collected with the whole heap. What is never given back is left to the garbage collector.
 */
import { type BatchMemory, PlacedRecord, Reply } from './placed-records.js'
import type { Headers, OutgoingRecord, SourceRecord } from './ports.js'

/** as many as a pipe holds when it is full; the rest is let go */
const mostFree = 131_072
const records: PlacedRecord[] = []
const replies: Reply[] = []

export const placedRecord = (
  batch: BatchMemory,
  offsetDelta: number,
  timeDelta: number,
  headers: Headers | undefined,
  keyAt: number,
  keyLength: number,
  valueAt: number,
  valueLength: number,
): PlacedRecord => {
  const used = records.pop()
  if (!used) return new PlacedRecord(batch, offsetDelta, timeDelta, headers, keyAt, keyLength, valueAt, valueLength)
  used.place(batch, offsetDelta, timeDelta, headers, keyAt, keyLength, valueAt, valueLength)
  return used
}

export const reply = (input: SourceRecord, memory: Buffer, valueAt: number, valueLength: number): Reply => {
  const used = replies.pop()
  if (!used) return new Reply(input, memory, valueAt, valueLength)
  used.place(input, memory, valueAt, valueLength)
  return used
}

/** Nobody looks at these any more. Throws `RangeError` for what was given back before: two would write to it. */
export const giveBackRecord = (record: SourceRecord): void => {
  if (!(record instanceof PlacedRecord)) return
  record.clear()
  if (records.length < mostFree) records.push(record)
}

/** As `giveBackRecord`. Replies to other records than those are whoever's they are. */
export const giveBackReply = (record: OutgoingRecord): void => {
  if (!(record instanceof Reply && record.input instanceof PlacedRecord)) return
  record.clear()
  if (replies.length < mostFree) replies.push(record)
}
