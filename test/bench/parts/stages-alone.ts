/** Each stage that costs something per record, alone on one thread, and kafkajs's own codec beside ours. */
import avro from 'avsc'
import { from, lastValueFrom } from 'rxjs'
import { Bench } from 'tinybench'
import { createPredictionEncoder } from '../../../pipeline/avro/prediction-encoder.js'
import { createRecordDecoder } from '../../../pipeline/avro/record-decoder.js'
import { decompress } from '../../../pipeline/kafka/broker-requests.js'
import { internal } from '../../../pipeline/kafka/internals.js'
import { encodeProduce } from '../../../pipeline/kafka/produce-request.js'
import { createRecordReader } from '../../../pipeline/kafka/record-batch-decoder.js'
import { createLeases } from '../../../stages/leases.js'
import { microBatch } from '../../../stages/micro-batch.js'
import type { Decoded, Generation, OutgoingRecord, ScoringPlan, SourceRecord } from '../../../stages/ports.js'
import { rowSchema, rowValues } from '../feature-rows.js'
import { fetchedBytes } from '../fetched-bytes.js'
import { comparedTo, type Row, rowOf } from '../result.js'
import type { Part } from '../suite.js'

const count = 2_048

export const stagesAlone: Part = async ({ smoke }) => {
  const rows: Row[] = []
  const measure = async (name: string, tasks: Readonly<Record<string, () => unknown>>) => {
    const bench = new Bench({
      time: smoke ? 5 : 1_000,
      warmupTime: smoke ? 1 : 300,
      warmupIterations: 2,
      iterations: 2,
    })
    for (const [task, run] of Object.entries(tasks)) bench.add(task, run)
    await bench.run()
    const found = bench.tasks.map((task) => {
      if (task.result.state !== 'completed') throw new Error(`${task.name}: ${task.result.state}`)
      return rowOf('stages', `${name}${task.name}`, [(count * 1_000) / task.result.latency.p50], 'records/s')
    })
    rows.push(...(found.length > 1 ? comparedTo(`${name}${Object.keys(tasks).at(-1)}`, found) : found))
  }

  for (const width of [30, 784]) {
    const { plan, records } = decoding(rowSchema(), rowValues(1, width), [{ field: 'features', width }])
    await measure(`decode ${width} floats: `, {
      'ours, into the tensor': decoderOf(rowSchema(), plan, records),
      'avsc, objects': () => records.map(({ value }) => avscType.decode(value!, 5).value),
    })
  }
  const { plan, records } = decoding(
    scalars.schema,
    scalars.values(),
    scalars.names.map((field) => ({ field, width: 1 })),
  )
  await measure('decode 30 fields of type double', { '': decoderOf(scalars.schema, plan, records) })

  const generation = generationOf(plan)
  const decoded = decodedOf(generation, records)
  await measure('gather batches of 512', {
    '': () => {
      const limits = () => ({ maxRecords: 512, maxBytes: 1 << 22, maxDelayMs: 5 })
      return lastValueFrom(from([decoded]).pipe(microBatch({ limits, leases: createLeases() })))
    },
  })

  for (const scoresWidth of [2, 10]) {
    const encoder = createPredictionEncoder({ schemaId: 7 })
    const scores = Float32Array.from({ length: count * scoresWidth }, (_, index) => index / 7)
    const labels = records.map(({ offset }) => String(offset % scoresWidth))
    const outputs = { count, labels, scores, scoresWidth, values: new Map() }
    const scored = {
      generation,
      parts: [decoded],
      rows: count,
      closedBy: 'records' as const,
      failed: new Map(),
      outputs,
    }
    await measure(`encode predictions of ${scoresWidth} scores`, {
      '': () => encoder.encode({ ...scored, scoredAt: Date.now() }, decoded, 0),
    })
  }

  await measure('record batches, encode: ', encoders(records))
  await measure('record batches, decode: ', await decoders(records))
  return rows
}

const avscType = avro.Type.forSchema(rowSchema())

const scalars = (() => {
  const names = Array.from({ length: 30 }, (_, index) => `field${index}`)
  const fields = [{ name: 'id', type: 'string' as const }, ...names.map((name) => ({ name, type: 'double' as const }))]
  const schema = { type: 'record' as const, name: 'Scalars', fields }
  return {
    names,
    schema,
    values: () => {
      const row = { id: 'record', ...Object.fromEntries(names.map((name) => [name, 7.5])) }
      const bytes = Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), avro.Type.forSchema(schema).toBuffer(row)])
      return Array.from({ length: 16 }, () => bytes)
    },
  }
})()

/** Records as a fetch brings them: all in one piece of memory. */
const decoding = (
  readerSchema: unknown,
  values: readonly Buffer[],
  fields: readonly { field: string; width: number }[],
) => {
  const width = fields.reduce((sum, one) => sum + one.width, 0)
  const plan: ScoringPlan = {
    readerSchema,
    inputs: [{ tensor: 'features', type: 'float32', shape: [width], width, fields, allowNaN: false }],
  }
  return { plan, records: readAll(fetchedBytes(values, count)) }
}

const readAll = (bytes: Buffer): readonly SourceRecord[] => {
  const read = createRecordReader(bytes, 0, [], decompress, 'bench').read(count)
  if (read instanceof Promise) throw new Error('plain batches are read at once')
  return read
}

const decoderOf = (schema: unknown, plan: ScoringPlan, records: readonly SourceRecord[]) => {
  const decoder = createRecordDecoder({ registry: { known: () => schema, fetch: async () => schema } })
  return () => {
    const decoded = decoder.decode(records, plan)
    if (decoded instanceof Promise || decoded.rows.count !== count) throw new Error('not all records were decoded')
  }
}

const generationOf = (plan: ScoringPlan): Generation => ({
  ...{ number: 3, model: 'digits@1', digest: 'a'.repeat(64), plan },
  scorer: { score: async () => Promise.reject(new Error('nothing is scored here')), close: async () => undefined },
  retain: () => undefined,
  release: () => undefined,
})

const decodedOf = (generation: Generation, records: readonly SourceRecord[]): Decoded => ({
  ...{ topic: 'digits.input', partition: 3, start: 0, next: count, records, bytes: 140 * count, generation },
  rejected: new Map(),
  rows: { count, columns: [new Float32Array(30 * count)] },
  echo: undefined,
})

/** A produce request of one partition. */
const encoders = (records: readonly OutgoingRecord[]) => {
  const stock = internal<(data: unknown) => { encode(): Promise<unknown> }>('protocol/requests/produce/v7/request')
  const request = (messages: readonly unknown[]) => ({
    ...{ acks: -1, timeout: 30_000, producerId: '7', producerEpoch: 0 },
    topicData: [{ topic: 'out', partitions: [{ partition: 0, firstSequence: 0, messages }] }],
  })
  const spelledOut = records.map(({ timestamp, ...record }) => ({ ...record, timestamp: String(timestamp) }))
  return {
    ours: () => encodeProduce(request(records) as Parameters<typeof encodeProduce>[0]),
    ...(stock && { "kafkajs's": () => stock(request(spelledOut)).encode() }),
  }
}

const decoders = async (records: readonly SourceRecord[]) => {
  const bytes = fetchedBytes(
    records.map(({ value }) => value!),
    count,
  )
  const Decoder = internal<new (bytes: Buffer) => object>('protocol/decoder')
  const decode = internal<(decoder: object) => Promise<unknown[]>>('protocol/requests/fetch/v4/decodeMessages')
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  const prefixed = Buffer.concat([length, bytes])
  return {
    ours: () => readAll(bytes),
    ...(Decoder && decode && { "kafkajs's": () => decode(new Decoder(prefixed)) }),
  }
}
