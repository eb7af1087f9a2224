import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readBundle } from '../../../pipeline/model/bundle.js'
import { checkPath } from '../../../pipeline/model/check.js'
import { parseGolden } from '../../../pipeline/model/golden.js'
import { initBundle } from '../../../pipeline/model/init.js'
import { packBundle } from '../../../pipeline/model/pack.js'
import { createScorer } from '../../../pipeline/model/scorer.js'
import { temporaryFolder } from './bundle-fixture.js'

const fixtures = join(import.meta.dirname, '../../fixtures/onnx')
const fixture = (name: string) => join(fixtures, `${name}.onnx`)
const scorerFor = createScorer

interface Expected {
  readonly rows: readonly (readonly number[] | Record<string, unknown>)[]
  readonly labels?: readonly string[] | null
  readonly scores?: readonly (readonly number[])[]
  readonly values?: Readonly<Record<string, readonly (readonly number[])[]>>
}
const expected: Record<string, Expected> = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8'))

describe.each(Object.keys(expected))('a model as exported by default: %s', (name) => {
  test('becomes a bundle that says what its library says', async () => {
    const folder = await temporaryFolder()
    const source = join(folder, name)
    await initBundle({ model: fixture(name), out: source, name, version: '1', scorerFor })
    await writeFile(join(source, 'golden.jsonl'), goldenLines(expected[name]!))
    const { path } = await packBundle(source, join(folder, 'bundle.tar.gz'))
    const gates = await checkPath(path, scorerFor)
    expect(gates.filter(({ ok }) => !ok)).toEqual([])
    expect(gates.at(-1)).toEqual({ gate: 'golden', ok: true, detail: '3 cases agree' })
  })
})

function goldenLines({ rows, labels, scores, values }: Expected): string {
  const cases = rows.map((row, index) => {
    const named = Object.entries(values ?? {}).map(([output, each]) => [output, each[index]] as const)
    const expect = { label: labels?.[index], scores: scores?.[index], values: Object.fromEntries(named) }
    return { record: Array.isArray(row) ? { features: row } : row, expect, tolerance: 1e-5 }
  })
  return cases.map((each) => JSON.stringify(each)).join('\n')
}

test('says what it rewired, and keeps a model that needs no change byte for byte', async () => {
  const folder = await temporaryFolder()
  const options = { name: 'iris', version: '1', scorerFor }
  const zipped = await initBundle({ ...options, model: fixture('sklearn-forest'), out: join(folder, 'zipped') })
  expect(zipped.notes.join('\n')).toContain('rewired output_probability: the scores of 3 classes as a tensor')
  const plain = await initBundle({ ...options, model: fixture('sklearn-linear'), out: join(folder, 'plain') })
  expect(plain.notes.join('\n')).not.toContain('rewired')
  expect((await readBundle(join(folder, 'plain'))).files.get('model.onnx')).toEqual(
    await readFile(fixture('sklearn-linear')),
  )
})

test('names one field per column when asked, and one per input where a model has many', async () => {
  const folder = await temporaryFolder()
  const fields = ['sepal length', 'sepal_width', 'petal length', '4th']
  const model = fixture('sklearn-linear')
  const named = await initBundle({ model, out: join(folder, 'a'), name: 'iris-flat', version: '1', fields })
  const flat = await readBundle(join(folder, 'a'))
  expect(flat.plan.readerSchema).toEqual({
    type: 'record',
    name: 'iris_flat',
    fields: ['sepal_length', 'sepal_width', 'petal_length', '_4th'].map((name) => ({ name, type: 'float' })),
  })
  expect(named.notes.join('\n')).toContain('"4th" is the field _4th')
  await initBundle({ model: fixture('sklearn-columns'), out: join(folder, 'b'), name: 'visits', version: '1' })
  expect((await readBundle(join(folder, 'b'))).plan.readerSchema).toMatchObject({
    fields: [
      { name: 'age', type: 'float' },
      { name: 'sex', type: 'string' },
      { name: 'visits', type: 'long' },
    ],
  })
  await expect(
    initBundle({ model, out: join(folder, 'c'), name: 'iris', version: '1', fields: ['one'] }),
  ).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('1 field names for 4 columns') })
})

test('does not write over a bundle unless forced, nor anything when it fails', async () => {
  const folder = await temporaryFolder()
  const options = { model: fixture('sklearn-linear'), out: join(folder, 'x'), name: 'x', version: '1' }
  await initBundle(options)
  await expect(initBundle({ ...options, version: '2' })).rejects.toMatchObject({ code: 'usage' })
  expect((await initBundle({ ...options, version: '2', force: true })).ref).toBe('x@2')
  expect((await readBundle(options.out)).ref).toBe('x@2')
  const missing = { ...options, out: join(folder, 'y'), model: join(folder, 'none.onnx') }
  await expect(initBundle(missing)).rejects.toMatchObject({ code: 'file-unreadable' })
  await expect(readBundle(missing.out)).rejects.toMatchObject({ code: 'file-unreadable' })
})

test('the first golden case is the answer of the model to zeros, and survives packing', async () => {
  const folder = await temporaryFolder()
  const out = join(folder, 'iris')
  await initBundle({ model: fixture('catboost'), out, name: 'iris', version: '1', scorerFor })
  await packBundle(out, join(folder, 'iris.tar.gz'))
  const bundle = await readBundle(join(folder, 'iris.tar.gz'))
  const [golden, ...others] = parseGolden(bundle.files.get('golden.jsonl')!)
  expect(others).toEqual([])
  expect(golden).toMatchObject({ record: { features: [0, 0, 0, 0] }, expect: { label: 'setosa' } })
  expect(golden!.expect.scores).toHaveLength(3)
})

test('a model that does not take zeros still becomes a bundle, and the note says what is left to do', async () => {
  const out = join(await temporaryFolder(), 'visits')
  const { notes } = await initBundle({
    model: fixture('sklearn-columns'),
    out,
    name: 'visits',
    version: '1',
    scorerFor,
  })
  expect(notes.at(-1)).toContain('golden.jsonl is empty, for the model does not take a record of zeros')
  expect((await checkPath(out, scorerFor)).at(-1)).toMatchObject({ gate: 'golden', ok: false })
})
