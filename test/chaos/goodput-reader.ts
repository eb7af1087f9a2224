/** Reads what comes out of a deployment, with a clock: predictions and late records, and which generation was seen when. */
import type { Kafka } from 'kafkajs'
import { createMessageCodec } from '../../pipeline/avro/message-codec.js'
import { createRegistry } from '../../pipeline/avro/registry.js'
import type { TopicNames } from '../../pipeline/config.js'
import { readTopic } from '../../pipeline/kafka/topic-reader.js'

/** What became of a record. Milliseconds since the epoch. */
export interface Outcome {
  /** the timestamp of the record */
  readonly written: number
  readonly read: number
  readonly kind: 'prediction' | 'late'
}

export interface Reader {
  readonly outcomes: readonly Outcome[]
  /** the greatest of a prediction that was read */
  readonly generation: number
  end(): Promise<void>
}

export function startReader(kafka: Kafka, registryUrl: string, topics: TopicNames): Reader {
  const registry = createRegistry({ url: registryUrl })
  const codec = createMessageCodec(registry)
  const ending = new AbortController()
  const outcomes: Outcome[] = []
  let generation = 0

  const read = async (topic: string, kind: Outcome['kind']) => {
    const options = { from: 'beginning', follow: true, maxWaitMs: 10, signal: ending.signal } as const
    for await (const { records } of readTopic(kafka, topic, options)) {
      const now = Date.now()
      for (const { timestamp } of records) outcomes.push({ written: timestamp, read: now, kind })
      // One of each run says enough: generations of a partition do not go back.
      if (kind === 'late') continue
      generation = Math.max(generation, (await codec.decodePrediction(records.at(-1)!.value!)).generation)
    }
  }
  const reading = Promise.all([read(topics.predictions, 'prediction'), read(topics.late, 'late')])
  // Looked at in `end`.
  reading.catch(() => undefined)
  return {
    outcomes,
    get generation() {
      return generation
    },
    async end() {
      ending.abort()
      await reading
      registry.close()
    },
  }
}
