import { readFile } from 'node:fs/promises'
import avro from 'avsc'
import { expect, test } from 'vitest'
import { verifyBundle } from '../../../pipeline/model/verifier.js'
import { constant } from '../../fixtures/onnx-graphs.js'
import { node } from './onnx-fixture.js'
import { doubling, type PairBundle, pairFolder, schema } from './verifier-fixture.js'

const old = { ...schema, fields: [schema.fields[0]] }
const writerSchemas = [
  { id: 1, version: 1, schema: old },
  { id: 2, version: 2, schema },
]
const types = new Map(writerSchemas.map(({ id, schema }) => [id, avro.Type.forSchema(schema as avro.Schema)]))
const record = (schemaId: number, a: number, b: number | null = null) => ({
  schemaId,
  datum: types.get(schemaId)!.toBuffer(schemaId === 1 ? { a } : { a, b }),
})

/** As the active one, but what is above 10 comes out as 20. */
const clipping: PairBundle = {
  graph: {
    ...doubling,
    initializer: [constantFloat('most', 10)],
    node: [node('Min', ['X', 'most'], ['x']), node('Add', ['x', 'x'], ['p'])],
  },
}

function constantFloat(name: string, value: number) {
  const { data } = constant(name, 'float32', [], Float32Array.of(value))
  return { name, dims: [], dataType: 1, floatData: [...(data as Float32Array)] }
}

async function replayGate(candidate: PairBundle, records: ReturnType<typeof record>[], requiredAgreement?: number) {
  const replay = { activePath: await pairFolder(), records, requiredAgreement }
  const report = await verifyBundle(await pairFolder(candidate), {
    writerSchemas,
    replay,
    measureMs: 1,
    batchSizes: [1],
  })
  return report.gates.find(({ gate }) => gate === 'replay')
}

test('a replay reports on how many real records both models agree, whatever schema they were written with', async () => {
  const records = [record(1, 1), record(2, 2, 3), record(2, 11), record(1, 12), record(2, 1, 30)]
  expect(await replayGate(clipping, records)).toEqual({
    gate: 'replay',
    ok: true,
    detail: 'agrees on 40 % of 5 records',
    measured: { agreement: 0.4, compared: 5, notScored: 0, leftOut: 0 },
  })
})

test('a required agreement refuses a model that says something else too often', async () => {
  const records = Array.from({ length: 600 }, (_, i) => record(2, i % 100 === 0 ? 50 : 5, null))
  expect(await replayGate(clipping, records, 0.99)).toMatchObject({ ok: true })
  expect(await replayGate(clipping, records, 0.995)).toMatchObject({
    ok: false,
    code: 'replay-disagrees',
    detail: 'agrees on 99 % of 600 records; 99.5 % required',
  })
})

test('records that only the candidate cannot score count against it, those that neither scores do not count', async () => {
  const needsB: PairBundle = { change: { inputs: [{ tensor: 'X', type: 'float32', shape: [2], fields: ['a', 'b'] }] } }
  const damaged = { schemaId: 2, datum: Buffer.from([1]) }
  const foreign = { schemaId: 99, datum: Buffer.from([1]) }
  const records = [record(2, 1, 2), record(2, 1), record(2, Number.NaN, 1), damaged, foreign]
  const golden = { ...needsB, golden: [] }
  expect(await replayGate(golden, records)).toMatchObject({
    ok: true,
    detail:
      'agrees on 50 % of 2 records; 1 not scored by this model; 3 left out, which the active model does not score',
  })
})

test('without a record there is nothing to disagree about', async () => {
  expect(await replayGate({}, [], 1)).toMatchObject({ ok: true, detail: 'no record to compare; 100 % required' })
})

test('two versions of a shipped classifier are compared by label, on digits that nobody trained on', async () => {
  const digits = avro.Type.forSchema(JSON.parse(await readFile('models/data/digits.avsc', 'utf8')))
  const lines = (await readFile('models/data/digits.jsonl', 'utf8')).split('\n').slice(0, 300)
  const records = lines.map((line) => ({
    schemaId: 1,
    datum: digits.toBuffer(digits.clone(JSON.parse(line), { wrapUnions: true })),
  }))
  const report = await verifyBundle('models/bundles/digits@2.tar.gz', {
    writerSchemas: [{ id: 1, version: 1, schema: digits.schema() }],
    replay: { activePath: 'models/bundles/digits@1.tar.gz', records, requiredAgreement: 0.85 },
    measureMs: 1,
  })
  expect(report.gates.filter(({ ok }) => !ok)).toEqual([])
  const { measured } = report.gates.find(({ gate }) => gate === 'replay')!
  expect(measured).toMatchObject({ compared: 300, notScored: 0, leftOut: 0 })
  expect(measured?.agreement).toBeLessThan(1)
})
