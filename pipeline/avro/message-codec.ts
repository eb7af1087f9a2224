import { MillraceError } from '../../stages/errors.js'
import type { Fence, Late, ModelCommand, ModelEvent, Prediction, Shadow } from '../messages.js'
import { commandInvalid, maxCommandBytes, parseCommand, toCommand } from './command.js'
import { Malformed } from './cursor.js'
import { eventToJson, parseEvent } from './event.js'
import { createFramedReader } from './framed-reader.js'
import { frame } from './framing.js'
import { type OurSchema, readOurSchema } from './our-schemas.js'
import type { SchemaRegistry } from './registry.js'
import { parseType } from './types.js'

/** The topics whose values are messages of ours. */
export interface MessageTopics {
  readonly control: string
  readonly events: string
  readonly fences: string
  readonly late: string
  readonly predictions: string
  readonly shadow: string
}

/**
 * The messages of the contract in the Confluent wire format. Encoders need `prepare` first, but for that of events: what is said before is JSON. Decoders take what any version of a schema
 * wrote, as long as it resolves to ours; they reject with `command-invalid` or `record-invalid`, or with the registry's error.
 */
export interface MessageCodec {
  /** Registers the schemas of all six under `TOPIC-value`; waits for the registry. */
  prepare(topics: MessageTopics): Promise<{ readonly predictionSchemaId: number }>
  encodeCommand(command: ModelCommand): Buffer
  /** Avro or, as long as the registry has not said under which id, JSON. */
  encodeEvent(event: ModelEvent): Buffer
  encodeFence(fence: Fence): Buffer
  encodeLate(late: Late): Buffer
  encodeShadow(pair: Shadow): Buffer
  /** Avro or, when it begins with `{`, JSON. A command without an id has the id ''. */
  decodeCommand(value: Buffer): Promise<ModelCommand>
  /** Avro or, when it begins with `{`, JSON. */
  decodeEvent(value: Buffer): Promise<ModelEvent>
  decodeFence(value: Buffer): Promise<Fence>
  decodeLate(value: Buffer): Promise<Late>
  decodeShadow(value: Buffer): Promise<Shadow>
  decodePrediction(value: Buffer): Promise<Prediction>
}

const brace = '{'.charCodeAt(0)

export function createMessageCodec(registry: SchemaRegistry): MessageCodec {
  const command = createMessage<ModelCommand>(registry, 'model-command')
  const event = createMessage<ModelEvent>(registry, 'model-event')
  const fence = createMessage<Fence>(registry, 'fence')
  const late = createMessage<Late>(registry, 'late')
  const shadow = createMessage<Shadow>(registry, 'shadow')
  const prediction = createMessage<Prediction>(registry, 'prediction')

  return {
    async prepare(topics) {
      const [predictionSchemaId] = await Promise.all([
        prediction.register(topics.predictions),
        command.register(topics.control),
        event.register(topics.events),
        fence.register(topics.fences),
        late.register(topics.late),
        shadow.register(topics.shadow),
      ])
      return { predictionSchemaId }
    },
    encodeCommand: (value) => command.encode(toCommand(value)),
    encodeEvent: (value) => (event.registered ? event.encode(value) : eventToJson(value)),
    encodeFence: fence.encode,
    encodeLate: late.encode,
    encodeShadow: shadow.encode,
    async decodeCommand(value) {
      if (value.length > maxCommandBytes) throw commandInvalid(`${value.length} bytes, more than ${maxCommandBytes}`)
      if (value[0] === brace) return parseCommand(value)
      // A copy, since what avsc makes of a record is no plain object.
      return toCommand({ ...(await command.decode(value, commandInvalid)) })
    },
    decodeEvent: async (value) => (value[0] === brace ? parseEvent(value) : event.decode(value)),
    decodeFence: (value) => fence.decode(value),
    decodeLate: (value) => late.decode(value),
    decodeShadow: (value) => shadow.decode(value),
    decodePrediction: (value) => prediction.decode(value),
  }
}

const recordInvalid = (what: string): MillraceError => new MillraceError('record-invalid', what)

function createMessage<T>(registry: SchemaRegistry, name: OurSchema) {
  const schema = readOurSchema(name)
  const type = parseType(schema)
  const read = createFramedReader(registry, type)
  let schemaId: number | undefined
  return {
    get registered(): boolean {
      return schemaId !== undefined
    },
    async register(topic: string): Promise<number> {
      schemaId = await registry.register(`${topic}-value`, schema)
      return schemaId
    },
    encode(value: T): Buffer {
      if (schemaId === undefined) throw new MillraceError('internal', `${name} is encoded before it is registered`)
      return frame(schemaId, type.toBuffer(value))
    },
    async decode(value: Buffer, invalid = recordInvalid): Promise<T> {
      try {
        return (await read(value)) as T
      } catch (error) {
        throw error instanceof Malformed ? invalid(`${name}: ${error.reason}`) : error
      }
    },
  }
}
