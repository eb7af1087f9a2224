import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toBundle } from '../../../pipeline/model/bundle.js'
import { checkBundle, checkPath } from '../../../pipeline/model/check.js'
import { goldenDifference, goldenRows, parseGolden } from '../../../pipeline/model/golden.js'
import type { Manifest } from '../../../pipeline/model/manifest.js'
import { sealFiles } from '../../../pipeline/model/pack.js'
import { createScorer } from '../../../pipeline/model/scorer.js'
import { toScoringPlan } from '../../../pipeline/model/scoring-plan.js'
import type { Outputs } from '../../../stages/ports.js'
import { json, temporaryFolder, writeFolder } from './bundle-fixture.js'
import { bytesOf, integer, node, sequenceOfMaps, strings, tensor } from './onnx-fixture.js'

const softmax = node('Softmax', ['X'], ['p'], [integer('axis', 1)])
const graph = { input: [tensor('X', [null, 2])], output: [tensor('p', [null, 2])], node: [softmax] }
const schema = {
  type: 'record',
  name: 'Pair',
  fields: [
    { name: 'a', type: 'float' },
    { name: 'b', type: ['null', 'float'], default: null },
  ],
}
const manifest = {
  schema: 1,
  name: 'pair',
  version: '1',
  inputs: [{ tensor: 'X', type: 'float32', shape: [2], fields: ['a', { field: 'b', default: 0 }] }],
  outputs: { scores: 'p', labels: ['left', 'right'] },
}
const line = { record: { a: 0, b: { float: 10 } }, expect: { label: 'right', scores: [0, 1] }, tolerance: 1e-3 }

function bundle({ model = bytesOf(graph), change = {}, golden = [line] as unknown[] } = {}) {
  const files = new Map([
    ['bundle.json', json({ ...manifest, ...change })],
    ['model.onnx', model],
    ['input.avsc', json(schema)],
    ['golden.jsonl', Buffer.from(golden.map((each) => JSON.stringify(each)).join('\n'))],
  ])
  return sealFiles('pair', files)
}

const failing = async (made: ReturnType<typeof bundle>) =>
  (await checkBundle(made, createScorer)).filter(({ ok }) => !ok).map(({ gate, detail }) => `${gate}: ${detail}`)

describe('checking a bundle', () => {
  test('passes every gate of a sound one, with a line for each', async () => {
    const gates = await checkBundle(bundle(), createScorer)
    expect(gates).toEqual([
      { gate: 'digests', ok: true, detail: '3 files are what the manifest states' },
      { gate: 'schema', ok: true, detail: '2 fields fill 1 tensors' },
      { gate: 'graphs', ok: true, detail: 'X → p; test; ai.onnx 13, ai.onnx.ml 1' },
      { gate: 'load', ok: true, detail: 'the model loads and takes a row' },
      { gate: 'golden', ok: true, detail: '1 case agrees' },
    ])
  })

  test('names the golden case that the model answers differently', async () => {
    const wrong = { ...line, expect: { scores: [0.5, 0.5] } }
    expect(await failing(bundle({ golden: [line, wrong] }))).toEqual([
      expect.stringMatching(/^golden: golden\.jsonl line 2: scores\[0\] is .*, expected 0\.5 ± 0\.001$/),
    ])
    expect(await failing(bundle({ golden: [] }))).toEqual(['golden: golden.jsonl has no cases; write at least one'])
    expect(await failing(bundle({ golden: [{ ...line, record: { a: 'x' } }] }))).toEqual([
      expect.stringContaining('golden: golden.jsonl line 1: '),
    ])
  })

  test('names a type, a shape, an input or an output that does not fit the model', async () => {
    const input = manifest.inputs[0]
    const cases: [Record<string, unknown>, string][] = [
      [
        { inputs: [{ ...input, type: 'float64' }] },
        "graphs: the bundle binds 'X' as float64, model.onnx takes float32",
      ],
      [{ inputs: [{ ...input, shape: [2, 1] }] }, "graphs: the bundle binds 'X' with rows of [2,1]"],
      [{ inputs: [{ ...input, tensor: 'Y' }] }, "graphs: model.onnx needs the input 'X'"],
      [{ outputs: { scores: 'q' } }, "graphs: the bundle names the output 'q'"],
    ]
    for (const [change, expected] of cases) {
      const found = await failing(bundle({ change }))
      expect(found).toContainEqual(expect.stringContaining(expected))
      expect(found).toContain('golden: not tried: the model does not load')
    }
  })

  test('says what to do about an output that cannot be fetched', async () => {
    const zip = node('ZipMap', ['p'], ['z'], [strings('classlabels_strings', ['a', 'b'])])
    const model = bytesOf({ ...graph, output: [sequenceOfMaps('z')], node: [softmax, zip] })
    expect(await failing(bundle({ model, change: { outputs: { scores: 'z' } } }))).toContainEqual(
      expect.stringContaining('`millrace bundle init` rewires it'),
    )
  })

  test('goes through preprocess.onnx and postprocess.onnx', async () => {
    const files = new Map(bundle().files)
    files.set(
      'preprocess.onnx',
      bytesOf({ ...graph, output: [tensor('X2', [null, 2])], node: [node('Neg', ['X'], ['X2'])] }),
    )
    files.set('model.onnx', bytesOf({ ...graph, input: [tensor('X2', [null, 2])], node: [node('Neg', ['X2'], ['p'])] }))
    files.set(
      'postprocess.onnx',
      bytesOf({
        input: [tensor('p', [null, 2])],
        output: [tensor('q', [null, 2])],
        node: [node('Softmax', ['p'], ['q'], [integer('axis', 1)])],
      }),
    )
    files.set('bundle.json', json({ ...manifest, outputs: { ...manifest.outputs, scores: 'q' } }))
    expect(await failing(sealFiles('pair', files))).toEqual([])
  })

  test('notices bytes that changed since the bundle was read', async () => {
    const files = new Map(bundle().files)
    const made = toBundle('pair', files)
    files.set('golden.jsonl', Buffer.from(JSON.stringify({ ...line, expect: {} })))
    expect(await failing(made)).toEqual(['digests: golden.jsonl'])
  })

  test('of a path that holds none fails at the first gate', async () => {
    const folder = await temporaryFolder()
    expect(await checkPath(folder, createScorer)).toEqual([
      { gate: 'read', ok: false, detail: `${folder}: bundle.json is missing`, code: 'bundle-invalid' },
    ])
    await writeFolder(folder, bundle().files)
    expect((await checkPath(folder, createScorer)).map(({ ok }) => ok)).toEqual([true, true, true, true, true, true])
    await writeFile(join(folder, 'model.onnx'), 'x')
    expect(await checkPath(folder, createScorer)).toMatchObject([{ gate: 'read', ok: false }])
  })
})

describe('golden cases', () => {
  const fields = [
    { name: 'age', type: 'int' },
    { name: 'sex', type: { type: 'enum', name: 'Sex', symbols: ['F', 'M'] } },
    { name: 'sure', type: 'boolean' },
    { name: 'seen', type: ['null', 'long'] },
    { name: 'name', type: 'string' },
    { name: 'lab', type: { type: 'record', name: 'Lab', fields: [{ name: 'iron', type: ['null', 'double'] }] } },
    { name: 'past', type: { type: 'array', items: ['null', 'float'] } },
  ]
  const record = {
    age: 3,
    sex: 'M',
    sure: true,
    seen: { long: 9e15 },
    name: 'Ö',
    lab: { iron: null },
    past: [null, { float: 2 }],
  }
  const input = (tensor: string, type: string, shape: number[], fields: unknown[], allowNaN = false) => ({
    tensor,
    type,
    shape,
    fields: fields.map((field) => (typeof field === 'string' ? { field } : field)),
    allowNaN,
  })
  const plan = (...inputs: ReturnType<typeof input>[]) =>
    toScoringPlan({ inputs: inputs as Manifest['inputs'] }, { type: 'record', name: 'Case', fields })
  const rows = (made: ReturnType<typeof plan>, change = {}) =>
    goldenRows({ line: 7, record: { ...record, ...change }, expect: {}, tolerance: 0 }, made)

  test('bind every kind of field', () => {
    const iron = { field: 'lab.iron', default: 'NaN' }
    const made = plan(
      input('x', 'float32', [6], ['age', 'sex', 'sure', iron, { field: 'past', default: -1 }], true),
      input('when', 'int64', [1], ['seen']),
      input('who', 'string', [1, 2], ['name', 'sex']),
      input('flag', 'bool', [], ['sure']),
    )
    expect(rows(made)).toEqual({
      count: 1,
      columns: [
        Float32Array.of(3, 1, 1, Number.NaN, -1, 2),
        BigInt64Array.of(9_000_000_000_000_000n),
        ['Ö', 'M'],
        Uint8Array.of(1),
      ],
    })
  })

  test.each<[string, ReturnType<typeof input>, Record<string, unknown>, string]>([
    ['null without a default', input('x', 'float32', [1], ['lab.iron']), {}, 'lab.iron: null, and it has no default'],
    ['an array of another length', input('x', 'float32', [3], ['past']), {}, 'past: an array of 2, the tensor takes 3'],
    ['a number out of range', input('x', 'int8', [1], ['age']), { age: 300 }, 'age: 300 is no int8'],
    ['a type that is not the schema’s', input('x', 'float32', [1], ['age']), { age: 'old' }, 'line 7: '],
    ['a field too few', input('x', 'float32', [1], ['age']), { age: undefined }, 'line 7: '],
  ])('say what is wrong with %s', (_, bound, change, expected) => {
    expect(() => rows(plan(bound), change)).toThrow(expected)
  })

  test('are read line by line, and a bad line is named', () => {
    const text = `${JSON.stringify(line)}\r\n\n${JSON.stringify({ ...line, tolerance: undefined })}\n`
    expect(parseGolden(Buffer.from(text)).map((each) => [each.line, each.tolerance])).toEqual([
      [1, 1e-3],
      [3, 1e-5],
    ])
    for (const bad of [
      '{',
      '{}',
      '[]',
      '{"record":{},"expect":{"lable":"x"}}',
      '{"record":1,"expect":{"scores":["x"]}}',
    ])
      expect(() => parseGolden(Buffer.from(`\n${bad}`))).toThrow('golden.jsonl line 2: ')
  })

  test('agree within the tolerance and not beyond', () => {
    const outputs: Outputs = {
      count: 1,
      labels: ['a'],
      scores: Float32Array.of(0.5, 1000),
      scoresWidth: 2,
      values: new Map([['v', { data: Float32Array.of(Number.NaN), width: 1 }]]),
    }
    const difference = (expect: object, tolerance = 1e-3) =>
      goldenDifference({ line: 1, record: {}, expect, tolerance }, outputs)
    expect(difference({ label: 'a', scores: [0.5005, 1000.9] })).toBeUndefined()
    expect(difference({ scores: [0.502, 1000] })).toContain('scores[0] is 0.5, expected 0.502')
    expect(difference({ scores: [0.5] })).toContain('scores has 2 numbers, expected 1')
    expect(difference({ label: null })).toBe('label "a", expected null')
    expect(difference({ values: { v: [1] } })).toContain('v[0] is NaN')
    expect(difference({ values: { w: [1] } })).toBe('there is no value "w"')
  })
})
