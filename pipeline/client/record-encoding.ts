/** Records of a file as framed Avro. */
import { frame } from '../avro/framing.js'
import { createRecordEncoder } from '../avro/record-encoder.js'

export interface ValueEncoder {
  /** Throws `record-invalid`, naming the field. */
  encode(fields: Readonly<Record<string, unknown>>): Buffer
  /** fields that records have and the schema has not: they are left out */
  readonly leftOut: ReadonlySet<string>
}

/** `schema` is parsed JSON, `id` its number in the registry. Throws `record-invalid` when it is no Avro schema. */
export const createValueEncoder = (schema: unknown, id: number, format: 'json' | 'csv'): ValueEncoder => {
  const encoder = createRecordEncoder(schema)
  const known = new Set((schema as { fields?: { name: string }[] }).fields?.map(({ name }) => name))
  const leftOut = new Set<string>()
  return {
    leftOut,
    encode(fields) {
      for (const name in fields) if (!known.has(name)) leftOut.add(name)
      return frame(id, encoder.encode(format === 'csv' ? encoder.fromText(fields as Record<string, string>) : fields))
    },
  }
}
