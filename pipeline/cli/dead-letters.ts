/** Dead letters as they were written: the input record, and in its headers why it could not be scored. */
import type { Kafka } from 'kafkajs'
import type { Headers, SourceRecord } from '../../stages/ports.js'
import { type ReadTopicOptions, readTopic } from '../kafka/topic-reader.js'

export interface DeadLetter {
  /** of the error table */
  readonly code: string
  readonly reason: string
  /** where the input record was */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly model: string
  /** ISO 8601 */
  readonly at: string
  readonly record: SourceRecord
  /** without ours */
  readonly headers: Headers
}

const prefix = 'millrace.'

/** What is no dead letter of ours has empty texts and the partition and offset -1. */
export const toDeadLetter = (record: SourceRecord): DeadLetter => {
  const all = record.headers ?? {}
  const ours = (name: string) => String(all[prefix + name] ?? '')
  const number = (name: string) => (ours(name) === '' ? -1 : Number(ours(name)))
  return {
    code: ours('error'),
    reason: ours('reason'),
    topic: ours('topic'),
    partition: number('partition'),
    offset: number('offset'),
    model: ours('model'),
    at: ours('at'),
    record,
    headers: Object.fromEntries(Object.entries(all).filter(([name]) => !name.startsWith(prefix))),
  }
}

export interface DeadLetterFilter {
  readonly code?: readonly string[]
  readonly model?: string
}

/** Reads those that pass the filter. */
export async function* readDeadLetters(
  kafka: Kafka,
  topic: string,
  options: ReadTopicOptions,
  { code, model }: DeadLetterFilter,
): AsyncGenerator<DeadLetter> {
  for await (const { records } of readTopic(kafka, topic, options))
    for (const record of records) {
      const letter = toDeadLetter(record)
      if ((code === undefined || code.includes(letter.code)) && (model === undefined || model === letter.model))
        yield letter
    }
}
