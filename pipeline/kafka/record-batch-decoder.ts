/**
 * Fetched record batches as records of the ports: numbers instead of BigInts and strings, views instead of copies, no header object where
 * there is no header. The layout is drawn in record-batch.ts. Nothing in the bytes is trusted: what does not add up is `batch-corrupt`.
 *
 * The views keep the whole response in memory until the last of its records is let go; the credits bound how much that is. Where it was
 * lent, each record holds one of it.
 */
import { crc32c } from '@node-rs/crc32'
import { MillraceError } from '../../stages/errors.js'
import type { LentMemory } from '../../stages/lent-memory.js'
import type { SourceRecord } from '../../stages/ports.js'
import { attribute, batch, magic } from './record-batch.js'
import { BrokenRecords, RecordCursor } from './record-cursor.js'

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** Decompresses the records of a batch; `codec` is Kafka's number of it. */
export type Decompress = (codec: number, records: Buffer) => Promise<Buffer>

export interface RecordReader {
  /**
   * The next records in order, `max` of them except at the end; none when there are no more. A promise where a batch has to be decompressed
   * first; one call at a time.
   */
  read(max: number): SourceRecord[] | Promise<SourceRecord[]>
}

/** Whether the bytes begin with a batch of this format; the message sets of Kafka before 0.11 do not. */
export const isRecordBatch = (bytes: Buffer): boolean => bytes.length > batch.magic && bytes[batch.magic] === magic

/** The offset after the last whole batch. Undefined when there is none: the response ends in the middle of a batch. */
export const offsetAfter = (bytes: Buffer): number | undefined => {
  let next: number | undefined
  for (let at = 0, end = wholeBatch(bytes, at); end !== undefined; at = end, end = wholeBatch(bytes, at))
    next = lastOffset(bytes, at) + 1
  return next
}

/**
 * The committed records from offset `from` on: without control records, and without what `aborted` transactions left. `place` names the
 * partition in errors, `loan` is what the bytes are part of.
 */
export const createRecordReader = (
  bytes: Buffer,
  from: number,
  aborted: readonly AbortedTransaction[],
  decompress: Decompress,
  place: string,
  loan?: LentMemory,
): RecordReader => {
  const isVisible = createVisibility(aborted)
  let at = 0
  let open: OpenBatch | undefined

  /** Opens the next batch that has something to read: false at the end, a promise where it has to be decompressed. */
  const openNext = (): boolean | Promise<boolean> => {
    for (let end = wholeBatch(bytes, at); end !== undefined; end = wholeBatch(bytes, at)) {
      const whole = bytes.subarray(at, end)
      at = end
      if (crc32c(whole.subarray(batch.attributes)) !== whole.readUInt32BE(batch.crc))
        throw new BrokenRecords('a checksum that does not match')
      if (!isVisible(whole) || lastOffset(whole, 0) < from) continue
      const codec = whole.readInt16BE(batch.attributes) & attribute.compression
      const records = whole.subarray(batch.records)
      if (codec !== 0)
        return decompress(codec, records).then(
          (plain) => {
            open = openBatch(whole, plain, undefined)
            return true
          },
          (error: unknown) => {
            if (!(error instanceof MillraceError)) throw new BrokenRecords(String(error))
            throw error.code === 'batch-corrupt' ? new BrokenRecords(error.detail) : error
          },
        )
      open = openBatch(whole, records, loan)
      return true
    }
    return false
  }

  const fill = (records: SourceRecord[], max: number): SourceRecord[] | Promise<SourceRecord[]> => {
    while (records.length < max) {
      if (open === undefined || open.left === 0) {
        const found = openNext()
        if (typeof found !== 'boolean') return found.then((more) => (more ? fill(records, max) : records))
        if (!found) break
      }
      readInto(records, open!, max, from)
    }
    return records
  }

  const explain = (error: unknown): never => {
    if (!(error instanceof BrokenRecords)) throw error
    throw new MillraceError('batch-corrupt', `${place}, in the fetch from offset ${from}: ${error.message}`)
  }
  return {
    read: (max) => {
      try {
        const records = fill([], max)
        return Array.isArray(records) ? records : records.catch(explain)
      } catch (error) {
        return explain(error)
      }
    },
  }
}

/** Where the batch at `at` ends; undefined when it is cut off, or of another format. */
const wholeBatch = (bytes: Buffer, at: number): number | undefined => {
  if (at + batch.records > bytes.length || bytes[at + batch.magic] !== magic) return undefined
  const end = at + batch.leaderEpoch + bytes.readInt32BE(at + batch.length)
  return end < at + batch.records || end > bytes.length ? undefined : end
}

const baseOffset = (bytes: Buffer, at: number) => Number(bytes.readBigInt64BE(at))
const lastOffset = (bytes: Buffer, at: number) => baseOffset(bytes, at) + bytes.readInt32BE(at + batch.lastOffsetDelta)

/** Whether the records of a batch are for a reader of what is committed; asked once for each batch, in order. */
const createVisibility = (aborted: readonly AbortedTransaction[]) => {
  const waiting = [...aborted].sort((one, other) => one.firstOffset - other.firstOffset)
  const aborting = new Set<bigint>()
  return (whole: Buffer): boolean => {
    const attributes = whole.readInt16BE(batch.attributes)
    const producerId = whole.readBigInt64BE(batch.producerId)
    const last = lastOffset(whole, 0)
    while (waiting[0] !== undefined && waiting[0].firstOffset <= last) aborting.add(waiting.shift()!.producerId)
    if ((attributes & attribute.control) === 0)
      return (attributes & attribute.transactional) === 0 || !aborting.has(producerId)
    if (isAbortMarker(whole)) aborting.delete(producerId)
    return false
  }
}

/** The key of a control record: version int16, type int16 (0 aborts, 1 commits). */
const isAbortMarker = (whole: Buffer): boolean => {
  const bytes = whole.subarray(batch.records)
  const { key } = new RecordCursor({ bytes, baseOffset: 0, baseTimestamp: 0, appendTime: undefined }).record()
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0
}

interface OpenBatch {
  readonly cursor: RecordCursor
  readonly loan: LentMemory | undefined
  /** records that are not read yet */
  left: number
}

const openBatch = (whole: Buffer, records: Buffer, loan: LentMemory | undefined): OpenBatch => {
  const count = whole.readInt32BE(batch.count)
  if (count < 0 || count > records.length) throw new BrokenRecords(`${count} records in ${records.length} bytes`)
  const appended = (whole.readInt16BE(batch.attributes) & attribute.logAppendTime) !== 0
  return {
    loan,
    cursor: new RecordCursor({
      loan,
      bytes: records,
      baseOffset: baseOffset(whole, 0),
      baseTimestamp: Number(whole.readBigInt64BE(batch.baseTimestamp)),
      appendTime: appended ? Number(whole.readBigInt64BE(batch.maxTimestamp)) : undefined,
    }),
    left: count,
  }
}

const readInto = (records: SourceRecord[], open: OpenBatch, max: number, from: number): void => {
  const { cursor } = open
  const before = records.length
  while (open.left > 0 && records.length < max) {
    const record = cursor.record()
    open.left -= 1
    // A batch is returned whole: its first records may lie before the offset that was asked for.
    if (record.offset >= from) records.push(record)
  }
  open.loan?.hold(records.length - before)
}
