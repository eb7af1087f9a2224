/** kafkajs messages as records of the ports. */
import type { KafkaMessage } from 'kafkajs'
import type { SourceRecord } from '../../stages/ports.js'

export const toRecord = (message: KafkaMessage): SourceRecord => ({
  offset: Number(message.offset),
  timestamp: Number(message.timestamp),
  key: message.key,
  value: message.value,
  headers: message.headers,
})
