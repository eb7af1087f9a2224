import { expect, test } from 'vitest'
import type { Prediction } from '../../../pipeline/messages.js'
import { createFenceTable } from '../../../pipeline/swap/fence-table.js'
import { createRecomputer } from '../../../pipeline/verify/recompute.js'
import { verifyPredictions } from '../../../pipeline/verify/verify.js'
import type { DecodedRows, ModelLoader, RecordDecoder, SourceRecord } from '../../../stages/ports.js'
import { fenceAt } from '../../fixtures/fences.js'

/** A model says of a record its offset, plus what it is called. */
const loader: ModelLoader = {
  load: async (ref, digest) => ({
    ref,
    digest: digest ?? ref,
    plan: { readerSchema: {}, inputs: [] },
    scorer: {
      score: async ({ count, columns }) => ({
        count,
        labels: Array.from(columns[0] as Float32Array, (offset) => `${ref} says ${offset}`),
        scores: columns[0] as Float32Array,
        scoresWidth: 1,
        values: new Map(),
      }),
      close: async () => undefined,
    },
  }),
}
/** Offsets that end in 9 cannot be decoded. */
const decoder: RecordDecoder = {
  decode: (records): DecodedRows => {
    const good = records.filter(({ offset }) => offset % 10 !== 9)
    const rejected = new Map(
      records.flatMap(({ offset }, index) =>
        offset % 10 === 9 ? [[index, { code: 'undecodable' as const, reason: '' }] as const] : [],
      ),
    )
    return {
      rows: { count: good.length, columns: [Float32Array.from(good, ({ offset }) => offset)] },
      rejected,
      echo: undefined,
    }
  },
}
const records: SourceRecord[] = Array.from({ length: 40 }, (_, offset) => ({
  offset,
  timestamp: 0,
  key: null,
  value: Buffer.from('x'),
  headers: undefined,
}))
const prediction = (offset: number, generation = offset < 20 ? 1 : 2): Prediction => ({
  topic: 'in',
  partition: 0,
  offset,
  model: `m@${generation}`,
  digest: `digest-${generation}`,
  generation,
  label: `m@${generation} says ${offset}`,
  scores: [offset],
  values: {},
  late: false,
  scoredAt: 0,
  echo: {},
})
const whole = () => records.filter(({ offset }) => offset % 10 !== 9).map(({ offset }) => prediction(offset))
const dead = new Set([9, 19, 29, 39])

const verify = (
  predictions: readonly Prediction[],
  tolerance = 0,
  elsewhere: ReadonlySet<number> = dead,
  fallback?: string,
) => {
  const table = createFenceTable()
  table.apply(fenceAt(1, 0))
  table.apply(fenceAt(2, 20))
  const input = async function* () {
    for (let at = 0; at < records.length; at += 7) yield records.slice(at, at + 7)
  }
  const said = async function* () {
    yield* predictions
  }
  const recomputer = createRecomputer(table, loader, decoder)
  const logs = { topic: 'in', partition: 0, input: input(), predictions: said(), elsewhere }
  return verifyPredictions([logs], { recomputer, tolerance, fallback })
}

test('what was published is what the logs say: everything is accounted for', async () => {
  expect(await verify(whole())).toEqual({
    records: 40,
    equal: 36,
    elsewhere: 4,
    missing: 0,
    duplicates: 0,
    unequal: 0,
    generations: [1, 2],
    differences: [],
  })
})

test('what a fallback has answered is what it has to say, and nobody else may stand in', async () => {
  const stoodIn = (offset: number) => ({
    ...prediction(offset),
    model: 'fast@1',
    digest: 'digest-fast',
    label: `fast@1 says ${offset}`,
  })
  const all = whole().map((one) => (one.offset % 3 === 0 ? stoodIn(one.offset) : one))
  // One was scored again after a crash, by the model this time.
  const twice = [...all.slice(0, 4), prediction(3), ...all.slice(4)]
  expect(await verify(twice, 0, dead, 'fast@1')).toMatchObject({ equal: 36, duplicates: 1, unequal: 0 })
  expect((await verify(all)).differences[0]).toMatchObject({ offset: 0, kind: 'model' })
  const lying = all.map((one) => (one.offset === 3 ? { ...one, label: 'something else' } : one))
  const report = await verify(lying, 0, dead, 'fast@1')
  expect(report.differences).toEqual([expect.objectContaining({ offset: 3, kind: 'value' })])
})

test('a stretch that was scored twice is counted as duplicates, and nothing else', async () => {
  const all = whole()
  const report = await verify([...all.slice(0, 25), ...all.slice(5)])
  expect(report).toMatchObject({ equal: 36, duplicates: 20, missing: 0, unequal: 0 })
})

test('what is missing is named', async () => {
  const report = await verify(
    whole().filter(({ offset }) => offset !== 12),
    0,
    new Set([9, 19, 39]),
  )
  expect(report).toMatchObject({ missing: 2, equal: 35, elsewhere: 3 })
  expect(report.differences.map(({ offset, kind }) => [offset, kind])).toEqual([
    [12, 'missing'],
    [29, 'missing'],
  ])
})

test.each<[string, string, Partial<Prediction>]>([
  ['another generation than the fence says', 'generation', { generation: 2 }],
  ['another bundle', 'model', { digest: 'other' }],
  ['another label', 'value', { label: 'no' }],
  ['a number that is off by one bit', 'value', { scores: [Math.fround(12.000001)] }],
  ['a number too many', 'value', { scores: [12, 12] }],
  ['a value that the model does not give', 'value', { values: { more: [1] } }],
])('%s is found', async (_, kind, change) => {
  const report = await verify(whole().map((one) => (one.offset === 12 ? { ...one, ...change } : one)))
  expect(report).toMatchObject({ unequal: 1, equal: 35 })
  expect(report.differences[0]).toMatchObject({ offset: 12, kind })
})

test('a difference within the tolerance is none', async () => {
  const report = await verify(
    whole().map((one) => ({ ...one, scores: [one.offset + 1e-7] })),
    1e-6,
  )
  expect(report.unequal).toBe(0)
})

test('a prediction of what is a dead letter by the logs is found', async () => {
  const report = await verify([...whole(), prediction(29)].sort((one, other) => one.offset - other.offset))
  expect(report.differences).toMatchObject([{ offset: 29, kind: 'unexpected' }])
})

test('a duplicate that says otherwise than the first is found', async () => {
  const all = whole()
  const report = await verify([...all.slice(0, 10), { ...all[9]!, label: 'no' }, ...all.slice(10)])
  expect(report).toMatchObject({ duplicates: 1, unequal: 1 })
})
