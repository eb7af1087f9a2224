/** Records of any topic as lines of JSON. */

import type { Headers, SourceRecord } from '../../stages/ports.js'
import { createFramedReader } from '../avro/framed-reader.js'
import type { SchemaRegistry } from '../avro/registry.js'

export type RecordLine = (partition: number, record: SourceRecord) => Promise<string>

/**
 * Where the record is, its key, headers and value. Avro of the registry is decoded; other text is text; other bytes are base64, as `bytes`.
 */
export const createRecordLine = (topic: string, registry: SchemaRegistry): RecordLine => {
  const read = createFramedReader(registry)
  return async (partition, { offset, timestamp, key, value, headers }) => {
    const place = { topic, partition, offset, timestamp, key: key && textOf(key), headers: headersOf(headers) }
    if (value === null) return json({ ...place, value: null })
    if (value[0] !== 0) return json({ ...place, ...plain(value) })
    try {
      return json({ ...place, value: await read(value) })
    } catch (error) {
      // Only what is wrong with the record has a reason of its own; the rest is the registry's affair.
      const { reason } = error as { readonly reason?: unknown }
      if (typeof reason !== 'string') throw error
      return json({ ...place, ...plain(value), problem: reason })
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

/** Bytes within a value are base64. */
const json = (value: unknown): string =>
  JSON.stringify(value, (_, inner) => (isBufferJson(inner) ? Buffer.from(inner.data).toString('base64') : inner))

const isBufferJson = (value: unknown): value is { data: number[] } =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value
