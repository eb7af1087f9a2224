import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import avro from 'avsc'
import { parse } from 'csv-parse/sync'
import { describe, expect, it } from 'vitest'
import { readBundle } from '../../pipeline/model/bundle.js'
import { manifestFile } from '../../pipeline/model/bundle-files.js'
import { checkBundle } from '../../pipeline/model/check.js'
import { sealFiles } from '../../pipeline/model/pack.js'
import { createScorer } from '../../pipeline/model/scorer.js'
import { openStore } from '../../pipeline/model/store.js'
import type { Outputs, Rows, ScoringPlan } from '../../stages/ports.js'

type DataRecord = Record<string, string | number | number[]>
/** fingerprint of a row's content, by the row's id */
type Fingerprints = Record<string, string>
interface Golden {
  readonly record: DataRecord
  readonly expect: { readonly label: string; readonly scores: readonly number[] }
  readonly tolerance: number
}

const models = new URL('../../models/', import.meta.url).pathname
const read = (path: string) => readFileSync(join(models, path), 'utf8')
const lines = <T>(text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T)

const streams = {
  digits: {
    records: lines<DataRecord>(read('data/digits.jsonl')),
    truth: 'label',
    features: (record: DataRecord) => record.pixels as number[],
  },
  biopsy: {
    records: parse(read('data/biopsy.csv'), {
      columns: true,
      cast: (value, { header, column }) =>
        header || column === 'id' || column === 'diagnosis' ? value : Number(value),
    }) as DataRecord[],
    truth: 'diagnosis',
    features: ({ id: _, diagnosis: __, ...measures }: DataRecord) => Object.values(measures) as number[],
  },
}
type StreamName = keyof typeof streams
const names = Object.keys(streams) as StreamName[]
const split = JSON.parse(read('data/split.json')) as Record<StreamName, Record<'trainedOn' | 'streamed', Fingerprints>>
const accuracy = JSON.parse(read('accuracy.json')) as Record<string, { heldOut: number; correct: number }>
const writerType = (name: StreamName) => avro.Type.forSchema(JSON.parse(read(`data/${name}.avsc`)))

describe.each(names)('the %s stream', (name) => {
  const { records, features } = streams[name]

  it('holds records that fit the schema they are written with, each once', () => {
    const type = writerType(name)
    for (const record of records)
      type.isValid(record, { noUndeclaredFields: true, errorHook: (path) => expect.fail(`${record.id}: ${path}`) })
    expect(new Set(records.map((record) => record.id)).size).toBe(records.length)
  })

  it('holds no record that a model was trained on, under its own id or another', () => {
    const { trainedOn, streamed } = split[name]
    const here = Object.fromEntries(records.map((record) => [String(record.id), fingerprint(features(record))]))
    expect(here).toEqual(streamed)
    expect(Object.keys(here).filter((id) => id in trainedOn)).toEqual([])
    const contents = new Set(Object.values(trainedOn))
    expect(Object.values(here).filter((content) => contents.has(content))).toEqual([])
  })

  it('holds about two fifths of the data set and every class', () => {
    const share = records.length / (records.length + Object.keys(split[name].trainedOn).length)
    expect(share).toBeGreaterThan(0.38)
    expect(share).toBeLessThan(0.42)
    expect(new Set(records.map((record) => record[streams[name].truth])).size).toBe(name === 'digits' ? 10 : 2)
  })
})

describe.each(Object.keys(accuracy))('the bundle %s', async (ref) => {
  const bundle = await readBundle(join(models, 'bundles', `${ref}.tar.gz`))
  const { plan } = bundle
  const name = bundle.manifest.name as StreamName
  const golden = lines<Golden>(String(bundle.files.get('golden.jsonl')))

  it('is the one that its file is named for', () => {
    expect(bundle.ref).toBe(ref)
  })

  it('gets the same digest when it is packed again from its files', () => {
    const { files: _, ...draft } = JSON.parse(String(bundle.files.get(manifestFile)))
    const unsealed = new Map(bundle.files).set(manifestFile, Buffer.from(JSON.stringify(draft)))
    expect(sealFiles(ref, unsealed).digest).toBe(bundle.digest)
  })

  it('reads records of its stream through its own schema, and the true class is not in it', () => {
    const reader = avro.Type.forSchema(plan.readerSchema as avro.Schema)
    const writer = writerType(name)
    const resolver = reader.createResolver(writer)
    const { records, truth } = streams[name]
    const seen = reader.fromBuffer(writer.toBuffer(records[0]), resolver) as DataRecord
    expect(columns(plan, [seen])).toEqual(columns(plan, [records[0]!]))
    expect(seen).not.toHaveProperty(truth)
  })

  it('passes every gate of `bundle check`', async () => {
    const gates = await checkBundle(bundle, createScorer)
    expect(gates.filter(({ ok }) => !ok)).toEqual([])
    expect(gates.map(({ gate }) => gate)).toContain('golden')
  })

  it('answers its golden cases here as it did in Python', async () => {
    const reader = avro.Type.forSchema(plan.readerSchema as avro.Schema)
    for (const { record } of golden) expect(reader.isValid(record, { noUndeclaredFields: true })).toBe(true)
    const outputs = await score(golden.map(({ record }) => record))
    expect(golden.length).toBeGreaterThanOrEqual(8)
    golden.forEach(({ expect: { label, scores }, tolerance }, row) => {
      expect(outputs.labels?.[row]).toBe(label)
      const found = outputs.scores.subarray(row * outputs.scoresWidth, (row + 1) * outputs.scoresWidth)
      expect(found.length).toBe(scores.length)
      found.forEach((value, index) => {
        expect(Math.abs(value - scores[index]!)).toBeLessThan(tolerance)
      })
    })
  })

  it('gets as many of the streamed records right as the recipe says', async () => {
    const { records, truth } = streams[name]
    const { labels } = await score(records)
    const correct = records.filter((record, row) => record[truth] === labels?.[row]).length
    expect({ heldOut: records.length, correct }).toEqual({
      heldOut: accuracy[ref]?.heldOut,
      correct: accuracy[ref]?.correct,
    })
  })

  async function score(records: readonly DataRecord[]): Promise<Outputs> {
    const scorer = await createScorer(bundle)
    try {
      return await scorer.score(columns(plan, records))
    } finally {
      await scorer.close()
    }
  }
})

it('there is a bundle for every accuracy and the other way round', async () => {
  const stored = await openStore(join(models, 'bundles')).list()
  expect(stored.map(({ ref, problem }) => ({ ref, problem }))).toEqual(
    Object.keys(accuracy)
      .sort()
      .map((ref) => ({ ref, problem: undefined })),
  )
})

it.each(names)('each version of %s is better than the one before', (name) => {
  const correct = Object.entries(accuracy).flatMap(([ref, row]) => (ref.startsWith(`${name}@`) ? [row.correct] : []))
  expect(correct).toEqual([...correct].sort((a, b) => a - b))
  expect(new Set(correct).size).toBe(correct.length)
})

/** As models/recipe/held_out.py computes it: Python writes a whole number as `5.0`; none here is small enough for an exponent. */
function fingerprint(features: readonly number[]): string {
  const text = features.map((value) => (Number.isInteger(value) ? value.toFixed(1) : String(value))).join(' ')
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** Fills the tensors as the plan says. Every field of these bundles is a number or an array of numbers. */
function columns({ inputs }: ScoringPlan, records: readonly DataRecord[]): Rows {
  const filled = inputs.map(({ fields }) =>
    Float32Array.from(records.flatMap((record) => fields.flatMap(({ field }) => record[field] as number | number[]))),
  )
  return { count: records.length, columns: filled }
}
