/** What the input of a deployment has to say about a bundle: the schemas it was written with, and its newest records. */
import type { Kafka } from 'kafkajs'
import { MillraceError } from '../stages/errors.js'
import type { RecordDecoder, ScoringPlan, SourceRecord } from '../stages/ports.js'
import { headerBytes, schemaIdOf } from './avro/framing.js'
import { createRecordDecoder } from './avro/record-decoder.js'
import type { SchemaRegistry } from './avro/registry.js'
import { unless, within } from './backoff.js'
import { readTopic } from './kafka/topic-reader.js'
import type { WriterSchema } from './model/verifier.js'

export interface InputSources {
  readonly kafka: Kafka
  readonly registry: SchemaRegistry
  /** the input topic */
  readonly topic: string
  /** for each of the two */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface ReplayRecord {
  readonly schemaId: number
  /** Avro, without the frame */
  readonly datum: Buffer
}

/** Every registered version of the input's subject. Throws `registry-unreachable` when the registry does not answer in time. */
export async function registeredSchemas({ registry, topic, timeoutMs, signal }: InputSources): Promise<WriterSchema[]> {
  const versions = await within(timeoutMs, signal, (limit) => unless(registry.versions(`${topic}-value`), limit))
  if (!versions) throw new MillraceError('registry-unreachable', `it did not tell the versions of ${topic}-value`)
  return versions
}

/**
 * The newest records of the topic that a model with this plan scores, at most `count`; those that were read when time is up. Throws as
 * `readTopic` does.
 */
export function replayRecords(
  { kafka, registry, topic, timeoutMs, signal }: InputSources,
  plan: ScoringPlan,
  count: number,
): Promise<ReplayRecord[]> {
  return within(timeoutMs, signal, async (limit) => {
    const decoder = createRecordDecoder({ registry })
    let newest: (ReplayRecord & { readonly timestamp: number })[] = []
    for await (const { records } of readTopic(kafka, topic, { from: { last: count }, follow: false, signal: limit })) {
      const scored = await unless(scoredOf(records, plan, decoder), limit)
      if (!scored) break
      newest = [...newest, ...scored].sort((one, other) => other.timestamp - one.timestamp).slice(0, count)
    }
    return withinBytes(newest)
  })
}

/** The schemas of records that are not of a registered version: those of another subject. */
export async function otherSchemas(
  records: readonly ReplayRecord[],
  registered: readonly WriterSchema[],
  registry: SchemaRegistry,
): Promise<WriterSchema[]> {
  const known = new Set(registered.map(({ id }) => id))
  const ids = new Set(records.map(({ schemaId }) => schemaId).filter((id) => !known.has(id)))
  // They were decoded a moment ago, so that they are at hand.
  return [...ids].flatMap((id) => {
    const schema = registry.known(id)
    return schema === undefined ? [] : [{ id, schema }]
  })
}

async function scoredOf(records: readonly SourceRecord[], plan: ScoringPlan, decoder: RecordDecoder) {
  const { rejected } = await decoder.decode(records, plan)
  return records.flatMap(({ value, timestamp }, index) => {
    const schemaId = value && !rejected.has(index) ? schemaIdOf(value) : undefined
    // A copy: the fetch that it is a part of need not be kept for it.
    return schemaId === undefined ? [] : [{ schemaId, timestamp, datum: Buffer.from(value!.subarray(headerBytes)) }]
  })
}

/** They go to another process in one message. */
const mostBytes = 16 << 20

function withinBytes(records: readonly ReplayRecord[]): ReplayRecord[] {
  let left = mostBytes
  return records.filter(({ datum }) => {
    left -= datum.length
    return left >= 0
  })
}
