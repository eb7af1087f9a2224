/** Dead letters as their topic has them, those that pass a filter. */
import type { Kafka } from 'kafkajs'
import { type DeadLetter, toDeadLetter } from '../dead-letter.js'
import { type ReadTopicOptions, readTopic } from '../kafka/topic-reader.js'

export interface DeadLetterFilter {
  readonly code?: readonly string[]
  readonly model?: string
  /** of those that were written from then on: milliseconds since the epoch */
  readonly since?: number
}

const passes = (letter: DeadLetter, { code, model, since }: DeadLetterFilter): boolean =>
  (code === undefined || code.includes(letter.code)) &&
  (model === undefined || model === letter.model) &&
  (since === undefined || Date.parse(letter.at) >= since)

/** Reads those that pass the filter. */
export async function* readDeadLetters(
  kafka: Kafka,
  topic: string,
  options: ReadTopicOptions,
  filter: DeadLetterFilter = {},
): AsyncGenerator<DeadLetter> {
  for await (const { partition, records } of readTopic(kafka, topic, options))
    for (const record of records) {
      const letter = toDeadLetter(record, partition)
      if (passes(letter, filter)) yield letter
    }
}
