/** Records in Avro, and a registry in memory, for the tests of the decoder. */
import avro from 'avsc'
import { frame } from '../../../pipeline/avro/framing.js'
import { createRecordDecoder } from '../../../pipeline/avro/record-decoder.js'
import type { DecodedRows, FieldBinding, ScoringPlan, SourceRecord, TensorPlan } from '../../../stages/ports.js'

export const recordSchema = (...fields: readonly (readonly [string, unknown] | Record<string, unknown>)[]) => ({
  type: 'record',
  name: 'Record',
  fields: fields.map((field) => (Array.isArray(field) ? { name: field[0], type: field[1] } : field)),
})

export const input = (fields: readonly FieldBinding[], over: Partial<TensorPlan> = {}): TensorPlan => {
  const width = fields.reduce((sum, field) => sum + field.width, 0)
  return { tensor: 'x', type: 'float32', shape: [width], width, fields, allowNaN: false, ...over }
}

/** One column a field. */
export const scalar = (...fields: string[]): FieldBinding[] => fields.map((field) => ({ field, width: 1 }))

export const planOf = (readerSchema: unknown, ...inputs: TensorPlan[]): ScoringPlan => ({ readerSchema, inputs })

export const encoded = (schema: unknown, value: unknown): Buffer =>
  avro.Type.forSchema(schema as avro.Schema).toBuffer(value)

export const recordOf = (value: Buffer | null): SourceRecord => ({
  ...{ offset: 0, timestamp: 0, key: null, headers: undefined },
  value,
})

/** Schemas by id; what is not in it does not exist. */
export const memoryRegistry = (schemas: Readonly<Record<number, unknown>>) => ({
  known: (id: number) => schemas[id],
  fetch: async (id: number) => schemas[id],
})

/** Decodes data that `writer` wrote. */
export function decodeData(
  writer: unknown,
  plan: ScoringPlan,
  data: readonly Uint8Array[],
  echo?: string[],
): DecodedRows {
  const decoder = createRecordDecoder({ registry: memoryRegistry({ 1: writer }), echo })
  const decoded = decoder.decode(
    data.map((datum) => recordOf(frame(1, datum))),
    plan,
  )
  if (decoded instanceof Promise) throw new Error('the schema is known: this has to be synchronous')
  return decoded
}

export const decodeValues = (writer: unknown, plan: ScoringPlan, values: readonly unknown[], echo?: string[]) =>
  decodeData(
    writer,
    plan,
    values.map((value) => encoded(writer, value)),
    echo,
  )

export const codes = ({ rejected }: DecodedRows) => Array.from(rejected, ([index, { code }]) => [index, code])
