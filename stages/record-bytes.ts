import { PlacedRecord, Reply } from './placed-records.js'
import type { Headers, SourceRecord } from './ports.js'

type Sized = Pick<SourceRecord, 'key' | 'value' | 'headers'>

/** Bytes of key, value and headers: the measure of `Fetched.bytes`, of credits and of batch limits. Sources must use this one. */
export function recordBytes(record: Sized): number {
  const bytes = keyBytes(record) + valueBytes(record)
  return record.headers === undefined ? bytes : bytes + headerBytes(record.headers)
}

function keyBytes(record: Sized): number {
  const source = record instanceof Reply ? record.input : record
  return source instanceof PlacedRecord ? Math.max(0, source.keyLength) : (source.key?.length ?? 0)
}

function valueBytes(record: Sized): number {
  if (record instanceof Reply || record instanceof PlacedRecord) return Math.max(0, record.valueLength)
  return record.value?.length ?? 0
}

function headerBytes(headers: Headers): number {
  let bytes = 0
  for (const name in headers) {
    const value = headers[name]
    if (Array.isArray(value)) for (const one of value) bytes += Buffer.byteLength(name) + headerValueBytes(one)
    else bytes += Buffer.byteLength(name) + headerValueBytes(value)
  }
  return bytes
}

/** A header that came from Kafka can be null. */
function headerValueBytes(value: Buffer | string | null | undefined): number {
  return value === undefined || value === null ? 0 : Buffer.byteLength(value)
}
