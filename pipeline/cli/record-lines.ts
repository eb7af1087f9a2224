/** Records of any topic as lines of JSON. */

import type { Headers, SourceRecord } from '../../stages/ports.js'
import { Malformed } from '../avro/cursor.js'
import type { SchemaRegistry } from '../avro/registry.js'
import { createValueReader } from '../avro/value-reader.js'

export type RecordLine = (partition: number, record: SourceRecord) => Promise<string>

/**
 * Where the record is, its key, headers and value. Avro of the registry is decoded; other text is text; other bytes are base64, as `bytes`.
 */
export const createRecordLine = (topic: string, registry: SchemaRegistry): RecordLine => {
  const reader = createValueReader(registry)
  return async (partition, { offset, timestamp, key, value, headers }) => {
    const place = { topic, partition, offset, timestamp, key: key && textOf(key), headers: headersOf(headers) }
    if (value === null) return JSON.stringify({ ...place, value: null })
    if (value[0] !== 0) return JSON.stringify({ ...place, ...plain(value) })
    try {
      return JSON.stringify({ ...place, value: await reader.read(value) })
    } catch (error) {
      // Only what is wrong with the record; the rest is the registry's affair.
      if (!(error instanceof Malformed)) throw error
      return JSON.stringify({ ...place, ...plain(value), problem: error.reason })
    }
  }
}

const textOf = (bytes: Buffer): string | undefined => {
  const text = bytes.toString()
  return /[\p{Cc}\ufffd]/u.test(text.replace(/[\t\r\n]/g, '')) ? undefined : text
}

const plain = (bytes: Buffer): { value: string } | { bytes: string } => {
  const text = textOf(bytes)
  return text === undefined ? { bytes: bytes.toString('base64') } : { value: text }
}

const headersOf = (headers: Headers | undefined): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(String) : value === undefined ? null : String(value),
    ]),
  )
