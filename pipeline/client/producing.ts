/** Records of a program on their way to a topic: encoded with the schema of the topic, keyed, gathered and acknowledged. */
import type { Kafka } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { Headers } from '../../stages/ports.js'
import type { SchemaRegistry } from '../avro/registry.js'
import { type Outbox, openOutbox } from './outbox.js'
import { createValueEncoder, type ValueEncoder } from './record-encoding.js'

type Fields = Readonly<Record<string, unknown>>

/** `T`: the fields of a record, by name, as JSON has them; a long may be a `bigint`, bytes a `Uint8Array`. */
export interface ProduceOptions<T extends object = object> {
  /** Avro schema (parsed JSON) to register and to write with; the latest that is registered for the topic by default */
  readonly schema?: unknown
  /** the field whose text is the key, or what makes a key of a record; the same key, the same partition */
  readonly key?: (keyof T & string) | ((record: T) => string | Buffer | null)
  /** of all these records */
  readonly headers?: Headers
  /** milliseconds since the epoch, of a record; now by default */
  readonly timestamp?: (record: T) => number
}

export interface Produced {
  readonly topic: string
  /** acknowledged by all in-sync replicas */
  readonly records: number
  /** of the schema they were written with, in the registry */
  readonly schemaId: number
  /** fields that records had and the schema has not */
  readonly leftOut: readonly string[]
}

export interface Producing {
  /** `registry` is used while it lasts only. Rejects with `record-invalid`, naming the field, after what came before is sent. */
  send<T extends object>(
    records: Iterable<T> | AsyncIterable<T>,
    registry: SchemaRegistry,
    options?: ProduceOptions<T>,
  ): Promise<Produced>
  close(): Promise<void>
}

/** Connects with the first record. */
export const createProducing = (kafka: () => Promise<Kafka>, topic: string): Producing => {
  let opening: Promise<Outbox> | undefined
  const outbox = () => {
    opening ??= kafka().then((client) => openOutbox({ kafka: client, topic, onState: () => undefined }))
    opening.catch(() => {
      // What could not be opened is tried anew by the next call.
      opening = undefined
    })
    return opening
  }
  return {
    async send(records, registry, { schema, key, headers, timestamp = Date.now } = {}) {
      const { id, encoder } = await encoderFor(registry, topic, schema)
      const keyOf =
        typeof key === 'function' ? key : (one: object) => (key === undefined ? null : keyText(one as Fields, key))
      const out = await outbox()
      let count = 0
      try {
        for await (const one of records) {
          const text = keyOf(one)
          const room = out.add({
            key: typeof text === 'string' ? Buffer.from(text) : text,
            value: encoder.encode(one as Fields),
            headers,
            timestamp: timestamp(one),
          })
          if (room) await room
          count += 1
        }
      } finally {
        await out.flush()
      }
      return { topic, records: count, schemaId: id, leftOut: [...encoder.leftOut] }
    },
    async close() {
      await (await opening?.catch(() => undefined))?.close()
    },
  }
}

const encoderFor = async (
  registry: SchemaRegistry,
  topic: string,
  given: unknown,
): Promise<{ readonly id: number; readonly encoder: ValueEncoder }> => {
  const subject = `${topic}-value`
  if (given !== undefined) {
    const id = await registry.register(subject, given)
    return { id, encoder: createValueEncoder(given, id, 'json') }
  }
  const latest = await registry.latest(subject)
  if (!latest) throw new MillraceError('record-invalid', `no schema is registered as ${subject}: give one`)
  return { id: latest.id, encoder: createValueEncoder(latest.schema, latest.id, 'json') }
}

/** The text of a field as a key; null for null. Throws `record-invalid` where there is no such field. */
export const keyText = (fields: Fields, name: string): Buffer | null => {
  const value = fields[name]
  if (value === undefined) throw new MillraceError('record-invalid', `there is no field ${name} for the key`)
  if (value === null) return null
  return Buffer.from(typeof value === 'object' ? JSON.stringify(value) : String(value))
}
