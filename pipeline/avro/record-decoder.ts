/** Stand-in until the compiled decoder lands, which replaces this file as a whole. */
import avro from 'avsc'
import type { DecodedRows, RecordDecoder, Rejected, ScoringPlan } from '../../stages/ports.js'
import type { SchemaRegistry } from './registry.js'

export function createRecordDecoder({
  registry,
}: {
  registry: SchemaRegistry
  echo: readonly string[]
}): RecordDecoder {
  const types = new Map<number, avro.Type>()
  return {
    async decode(records, plan: ScoringPlan): Promise<DecodedRows> {
      const values: Record<string, number | number[]>[] = []
      const rejected = new Map<number, Rejected>()
      for (const [i, { value }] of records.entries()) {
        const id = value && value.length > 5 && value[0] === 0 ? value.readInt32BE(1) : -1
        if (id < 0) {
          rejected.set(i, { code: 'not-framed', reason: 'no Confluent frame' })
          continue
        }
        if (!types.has(id)) types.set(id, avro.Type.forSchema((await registry.fetch(id)) as avro.Schema))
        values.push(types.get(id)!.fromBuffer(value!.subarray(5)))
      }
      const columns = plan.inputs.map((input) =>
        Float32Array.from(values.flatMap((value) => input.fields.flatMap(({ field }) => value[field] as number[]))),
      )
      return { rows: { count: values.length, columns }, rejected, echo: undefined }
    },
  }
}
