/**
 * How fast records are decoded and predictions encoded, each alone on one thread, in records per second:
 * `npx esbuild test/bench/avro.ts --bundle --platform=node --format=esm --packages=external | node --input-type=module`
 */
import avro from 'avsc'
import { frame } from '../../pipeline/avro/framing.js'
import { createPredictionEncoder } from '../../pipeline/avro/prediction-encoder.js'
import { createRecordDecoder } from '../../pipeline/avro/record-decoder.js'
import type { Decoded, FieldBinding, Scored, ScoringPlan, SourceRecord } from '../../stages/ports.js'

const batch = 2048
const rounds = 5

/** The best of some rounds, each long enough for the compiler to have settled. */
function measure(name: string, run: () => void): void {
  let best = 0
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    let runs = 0
    while (performance.now() - start < 500) {
      run()
      runs++
    }
    best = Math.max(best, (runs * batch * 1000) / (performance.now() - start))
  }
  console.log(`${name.padEnd(40)} ${(best / 1e6).toFixed(2).padStart(6)} M/s`)
}

/** Values of one fetch share its memory, as they do when they come from Kafka. */
function recordsOf(schema: avro.Schema, value: (index: number) => unknown): SourceRecord[] {
  const type = avro.Type.forSchema(schema)
  const values = Array.from({ length: batch }, (_, i) => frame(1, type.toBuffer(value(i))))
  const memory = Buffer.concat(values)
  let at = 0
  return values.map(({ length }, offset) => {
    at += length
    const value = memory.subarray(at - length, at)
    return { offset, timestamp: 0, key: null, value, headers: undefined }
  })
}

function planOf(readerSchema: unknown, fields: readonly FieldBinding[]): ScoringPlan {
  const width = fields.reduce((sum, field) => sum + field.width, 0)
  return { readerSchema, inputs: [{ tensor: 'x', type: 'float32', shape: [width], width, fields, allowNaN: false }] }
}

function measureDecoder(name: string, schema: unknown, plan: ScoringPlan, records: readonly SourceRecord[]): void {
  const decoder = createRecordDecoder({ registry: { known: () => schema, fetch: async () => schema } })
  measure(name, () => {
    const decoded = decoder.decode(records, plan)
    if (decoded instanceof Promise || decoded.rows.count !== batch) throw new Error('not all records were decoded')
  })
}

for (const width of [30, 64, 784]) {
  const schema = {
    type: 'record' as const,
    name: 'Input',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'features', type: { type: 'array' as const, items: 'float' } },
    ],
  }
  const features = Array.from({ length: width }, (_, i) => i / 3)
  const records = recordsOf(schema, (index) => ({ id: `record-${index}`, features }))
  measureDecoder(`decode ${width} floats of an array`, schema, planOf(schema, [{ field: 'features', width }]), records)
}

for (const type of ['double', 'float', 'int'] as const) {
  const names = Array.from({ length: 30 }, (_, i) => `field${i}`)
  const fields = [{ name: 'id', type: 'string' }, ...names.map((name) => ({ name, type }))]
  const schema = { type: 'record' as const, name: 'Input', fields }
  const records = recordsOf(schema, (index) => ({
    id: `record-${index}`,
    ...Object.fromEntries(names.map((n) => [n, 7])),
  }))
  const plan = planOf(
    schema,
    names.map((field) => ({ field, width: 1 })),
  )
  measureDecoder(`decode 30 fields of type ${type}`, schema, plan, records)
}

const records = recordsOf('int', (index) => index)
const generation = { model: 'digits@1', digest: 'a'.repeat(64), number: 3 } as Decoded['generation']
const rows = { count: batch, columns: [] }
const part: Decoded = {
  ...{ topic: 'digits.input', partition: 3, records, rejected: new Map(), rows, generation, echo: undefined },
  ...{ start: 0, next: batch, bytes: 0 },
}
for (const scoresWidth of [2, 10]) {
  const scores = Float32Array.from({ length: batch * scoresWidth }, (_, i) => i / 7)
  const labels = records.map(({ offset }) => String(offset % scoresWidth))
  const scored: Scored = {
    ...{ generation, parts: [part], rows: batch, closedBy: 'records', failed: new Map(), scoredAt: Date.now() },
    outputs: { count: batch, labels, scores, scoresWidth, values: new Map() },
  }
  const encoder = createPredictionEncoder({ schemaId: 7 })
  measure(`encode predictions of ${scoresWidth} scores`, () => encoder.encode(scored, part, 0))
}
