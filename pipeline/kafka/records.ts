/** kafkajs messages as records of the ports. */
import type { KafkaMessage } from 'kafkajs'
import type { Headers, SourceRecord } from '../../stages/ports.js'

export const toRecord = (message: KafkaMessage): SourceRecord => ({
  offset: Number(message.offset),
  timestamp: Number(message.timestamp),
  key: message.key,
  value: message.value,
  headers: message.headers,
})

/** bytes of key, value and headers */
export const recordBytes = (record: Pick<SourceRecord, 'key' | 'value' | 'headers'>): number =>
  (record.key?.length ?? 0) + (record.value?.length ?? 0) + (record.headers ? headerBytes(record.headers) : 0)

const headerBytes = (headers: Headers): number => {
  let bytes = 0
  for (const name in headers) {
    const value = headers[name]
    bytes += name.length
    for (const one of Array.isArray(value) ? value : [value]) bytes += one === undefined ? 0 : Buffer.byteLength(one)
  }
  return bytes
}
