/** Record batches in one pass over one buffer: nothing is made per record. The layout is drawn in record-batch.ts. */
import { crc32c } from '@node-rs/crc32'
import { PlacedRecord, Reply } from '../../stages/placed-records.js'
import type { Headers, OutgoingRecord, SourceRecord } from '../../stages/ports.js'
import { recordBytes } from '../../stages/record-bytes.js'
import { attribute, batch, magic } from './record-batch.js'
import { SpanCopier } from './span-copier.js'

export interface BatchSettings {
  /** Kafka's number of the codec; 0: none */
  readonly compression: number
  readonly transactional: boolean
  /** -1 without idempotence */
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly firstSequence: number
}

/** Compresses the records of a batch, all at once. */
export type Compress = (records: Buffer) => Promise<Buffer>

/** Length, attributes, timestamp and offset deltas, lengths of key and value, header count: each varint at its longest. */
const recordOverhead = 5 + 1 + 8 + 5 + 5 + 5 + 5
const headerOverhead = 5 + 5

/** No batch of these records, uncompressed, is longer. */
export const batchBound = (records: readonly OutgoingRecord[]): number => {
  let bytes = batch.records
  for (const record of records) {
    bytes += recordOverhead + recordBytes(record)
    if (record.headers) bytes += headerOverhead * countHeaders(record.headers)
  }
  return bytes
}

/** Writes a batch of at least one record at `at` and returns where it ends; `target` has room for `batchBound` bytes from there. */
export const encodeBatch = (
  target: Buffer,
  at: number,
  records: readonly OutgoingRecord[],
  settings: BatchSettings,
): number => {
  const times = timeRange(records)
  const end = writeRecords(target, at + batch.records, records, times.first)
  writeBatchHeader(target, at, end, records.length, times, settings)
  return end
}

/** The same, compressed, as a buffer of its own. */
export const encodeCompressedBatch = async (
  records: readonly OutgoingRecord[],
  settings: BatchSettings,
  compress: Compress,
): Promise<Buffer> => {
  const times = timeRange(records)
  const plain = Buffer.allocUnsafe(batchBound(records))
  const compressed = await compress(plain.subarray(0, writeRecords(plain, 0, records, times.first)))
  const target = Buffer.allocUnsafe(batch.records + compressed.length)
  target.set(compressed, batch.records)
  writeBatchHeader(target, 0, target.length, records.length, times, settings)
  return target
}

interface TimeRange {
  readonly first: number
  readonly last: number
}

/** The earliest is the base, so that no delta is negative. */
const timeRange = (records: readonly OutgoingRecord[]): TimeRange => {
  let first = records[0]!.timestamp
  let last = first
  for (const { timestamp } of records) {
    if (timestamp < first) first = timestamp
    else if (timestamp > last) last = timestamp
  }
  return { first, last }
}

const writeBatchHeader = (
  target: Buffer,
  at: number,
  end: number,
  count: number,
  times: TimeRange,
  settings: BatchSettings,
): void => {
  const attributes = settings.compression | (settings.transactional ? attribute.transactional : 0)
  target.writeBigInt64BE(0n, at)
  target.writeInt32BE(end - at - batch.leaderEpoch, at + batch.length)
  target.writeInt32BE(0, at + batch.leaderEpoch)
  target.writeInt8(magic, at + batch.magic)
  target.writeInt16BE(attributes, at + batch.attributes)
  target.writeInt32BE(count - 1, at + batch.lastOffsetDelta)
  target.writeBigInt64BE(BigInt(times.first), at + batch.baseTimestamp)
  target.writeBigInt64BE(BigInt(times.last), at + batch.maxTimestamp)
  target.writeBigInt64BE(settings.producerId, at + batch.producerId)
  target.writeInt16BE(settings.producerEpoch, at + batch.producerEpoch)
  target.writeInt32BE(settings.firstSequence, at + batch.baseSequence)
  target.writeInt32BE(count, at + batch.count)
  target.writeUInt32BE(crc32c(target.subarray(at + batch.attributes, end)), at + batch.crc)
}

const writeRecords = (target: Buffer, start: number, records: readonly OutgoingRecord[], first: number): number => {
  // Keys lie in what was fetched, values in what was encoded.
  const [keys, values] = [new SpanCopier(target), new SpanCopier(target)]
  let at = start
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!
    const { headers } = record
    // Never negative, so zig-zag is twice; exact up to 2^54.
    const time = (record.timestamp - first) * 2
    const size =
      1 +
      sizeOf(time) +
      sizeOf(index * 2) +
      sizeOfKey(record) +
      sizeOfValue(record) +
      (headers === undefined ? 1 : sizeOfHeaders(headers))
    at = writeUnsigned(target, at, size * 2)
    target[at++] = 0
    at = writeUnsigned(target, at, time)
    at = writeUnsigned(target, at, index * 2)
    at = writeKey(target, at, record, keys)
    at = writeValue(target, at, record, values)
    if (headers === undefined) target[at++] = 0
    else at = writeHeaders(target, at, headers)
  }
  return at
}

/** Bytes of an unsigned varint. */
const sizeOf = (value: number): number => {
  let size = 1
  let left = value
  while (left >= 0x80) {
    left = left < 0x80000000 ? left >>> 7 : Math.floor(left / 0x80)
    size += 1
  }
  return size
}

const writeUnsigned = (target: Buffer, start: number, value: number): number => {
  let at = start
  let left = value
  while (left >= 0x80000000) {
    target[at++] = (left % 0x80) | 0x80
    left = Math.floor(left / 0x80)
  }
  while (left >= 0x80) {
    target[at++] = (left & 0x7f) | 0x80
    left >>>= 7
  }
  target[at++] = left
  return at
}

/** zig-zag of -1 */
const absent = 1

const sizeOfBytes = (bytes: Buffer | null): number => (bytes === null ? 1 : sizeOf(bytes.length * 2) + bytes.length)

const writeBytes = (target: Buffer, start: number, bytes: Buffer | null): number => {
  if (bytes === null) {
    target[start] = absent
    return start + 1
  }
  const at = writeUnsigned(target, start, bytes.length * 2)
  target.set(bytes, at)
  return at + bytes.length
}

/** Where the key of a record lies: it is that of the input in a reply. */
const keyOwner = (record: OutgoingRecord): OutgoingRecord | SourceRecord =>
  record instanceof Reply ? record.input : record

const sizeOfKey = (record: OutgoingRecord): number => {
  const owner = keyOwner(record)
  return owner instanceof PlacedRecord ? sizeOfSpan(owner.keyLength) : sizeOfBytes(owner.key)
}

const sizeOfValue = (record: OutgoingRecord): number =>
  record instanceof Reply ? sizeOfSpan(record.valueLength) : sizeOfBytes(record.value)

const sizeOfSpan = (length: number): number => (length < 0 ? 1 : sizeOf(length * 2) + length)

const writeKey = (target: Buffer, at: number, record: OutgoingRecord, keys: SpanCopier): number => {
  const owner = keyOwner(record)
  return owner instanceof PlacedRecord
    ? writeSpan(target, at, owner.batch.bytes, owner.keyAt, owner.keyLength, keys)
    : writeBytes(target, at, owner.key)
}

const writeValue = (target: Buffer, at: number, record: OutgoingRecord, values: SpanCopier): number =>
  record instanceof Reply
    ? writeSpan(target, at, record.memory, record.valueAt, record.valueLength, values)
    : writeBytes(target, at, record.value)

const writeSpan = (
  target: Buffer,
  start: number,
  memory: Buffer,
  from: number,
  length: number,
  copier: SpanCopier,
): number => {
  if (length < 0) return writeBytes(target, start, null)
  const at = writeUnsigned(target, start, length * 2)
  copier.copy(memory, from, length, at)
  return at + length
}

const countHeaders = (headers: Headers): number => {
  let count = 0
  for (const name in headers) {
    const value = headers[name]
    count += Array.isArray(value) ? value.length : 1
  }
  return count
}

const sizeOfHeaders = (headers: Headers): number => {
  let size = sizeOf(countHeaders(headers) * 2)
  for (const name in headers) {
    const bytes = Buffer.byteLength(name)
    const named = sizeOf(bytes * 2) + bytes
    const value = headers[name]
    if (Array.isArray(value)) for (const one of value) size += named + sizeOfHeaderValue(one)
    else size += named + sizeOfHeaderValue(value)
  }
  return size
}

type HeaderValue = Buffer | string | null | undefined

const sizeOfHeaderValue = (value: HeaderValue): number => {
  if (value === undefined || value === null) return 1
  const bytes = typeof value === 'string' ? Buffer.byteLength(value) : value.length
  return sizeOf(bytes * 2) + bytes
}

const writeHeaders = (target: Buffer, start: number, headers: Headers): number => {
  let at = writeUnsigned(target, start, countHeaders(headers) * 2)
  for (const name in headers) {
    const value = headers[name]
    if (Array.isArray(value)) for (const one of value) at = writeHeaderValue(target, writeText(target, at, name), one)
    else at = writeHeaderValue(target, writeText(target, at, name), value)
  }
  return at
}

const writeHeaderValue = (target: Buffer, at: number, value: HeaderValue): number =>
  typeof value === 'string' ? writeText(target, at, value) : writeBytes(target, at, value ?? null)

const writeText = (target: Buffer, start: number, text: string): number => {
  const at = writeUnsigned(target, start, Buffer.byteLength(text) * 2)
  return at + target.write(text, at, 'utf8')
}
