/** The logs of one partition as the verification reads them, from Kafka. */
import type { Kafka } from 'kafkajs'
import type { SourceRecord } from '../../stages/ports.js'
import type { MessageCodec } from '../avro/message-codec.js'
import { readTopic } from '../kafka/topic-reader.js'
import type { Prediction } from '../messages.js'
import type { PartitionLogs } from './verify.js'

export interface LogTopics {
  readonly input: string
  readonly predictions: string
  readonly deadLetter: string
  readonly late: string
}

export interface OffsetRange {
  readonly partition: number
  /** first offset that is looked at */
  readonly from: number
  /** the offset after the last */
  readonly to: number
}

/**
 * Reads with one pass over each topic; the offsets of dead letters and late records of the range are held in memory. `onOther` is told of
 * predictions that are not of the range.
 */
export async function openPartitionLogs(
  kafka: Kafka,
  codec: MessageCodec,
  topics: LogTopics,
  range: OffsetRange,
  signal: AbortSignal,
  onOther?: (prediction: Prediction) => void,
): Promise<PartitionLogs> {
  const { partition, from, to } = range
  const within = (offset: number) => offset >= from && offset < to
  const read = async function* (topic: string, start = 0) {
    const options = { from: new Map([[partition, start]]), partitions: [partition], follow: false, signal }
    for await (const { records } of readTopic(kafka, topic, options)) yield records
  }

  const input = async function* () {
    for await (const records of read(topics.input, from)) {
      const wanted = records.filter(({ offset }) => within(offset))
      if (wanted.length > 0) yield wanted
      if (wanted.length < records.length && records[records.length - 1]!.offset >= to) return
    }
  }
  const predictions = async function* (): AsyncGenerator<Prediction> {
    for await (const records of read(topics.predictions))
      for (const { value } of records) {
        if (!value) continue
        const prediction = await codec.decodePrediction(value)
        if (prediction.topic === topics.input && prediction.partition === partition && within(prediction.offset))
          yield prediction
        else onOther?.(prediction)
      }
  }
  const elsewhere = new Set<number>()
  for await (const records of read(topics.deadLetter))
    for (const record of records) {
      const { topic, offset } = originOf(record)
      if (topic === topics.input && within(offset)) elsewhere.add(offset)
    }
  for await (const records of read(topics.late))
    for (const { value } of records) {
      const late = value && (await codec.decodeLate(value))
      if (late && late.topic === topics.input && within(late.offset)) elsewhere.add(late.offset)
    }
  return { topic: topics.input, partition, input: input(), predictions: predictions(), elsewhere }
}

const originOf = ({ headers }: SourceRecord): { topic: string; offset: number } => ({
  topic: String(headers?.['millrace.topic']),
  offset: Number(headers?.['millrace.offset']),
})
