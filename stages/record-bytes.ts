import type { Headers, SourceRecord } from './ports.js'

/** Bytes of key, value and headers: the measure of `Fetched.bytes`, of credits and of batch limits. Sources must use this one. */
export function recordBytes(record: Pick<SourceRecord, 'key' | 'value' | 'headers'>): number {
  const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
  return record.headers === undefined ? bytes : bytes + headerBytes(record.headers)
}

function headerBytes(headers: Headers): number {
  let bytes = 0
  for (const name in headers) {
    const value = headers[name]
    if (Array.isArray(value)) for (const one of value) bytes += Buffer.byteLength(name) + valueBytes(one)
    else bytes += Buffer.byteLength(name) + valueBytes(value)
  }
  return bytes
}

/** A header that came from Kafka can be null. */
function valueBytes(value: Buffer | string | null | undefined): number {
  return value === undefined || value === null ? 0 : Buffer.byteLength(value)
}
