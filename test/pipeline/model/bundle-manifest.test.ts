import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseManifest } from '../../../pipeline/model/manifest.js'
import { toScoringPlan } from '../../../pipeline/model/scoring-plan.js'
import { MillraceError } from '../../../stages/errors.js'
import { draftManifest, json, readerSchema } from './bundle-fixture.js'

const digest = 'a'.repeat(64)
const complete = { ...draftManifest, files: { 'model.onnx': digest, 'input.avsc': digest, 'golden.jsonl': digest } }
const parse = (change: Record<string, unknown>) => parseManifest(json({ ...complete, ...change }))
const withInput = (change: Record<string, unknown>) => ({ inputs: [{ ...draftManifest.inputs[0], ...change }] })

describe('a manifest', () => {
  test('is read with its spellings made one', () => {
    const manifest = parse({
      inputs: [
        { tensor: 'a', type: 'float', shape: [null, 2], fields: ['x', { field: 'y' }] },
        { tensor: 'b', type: 'double', shape: [], fields: [{ field: 'z', default: 1 }], allowNaN: true },
      ],
      outputs: { scores: 's', values: ['t'] },
    })
    expect(manifest.inputs).toEqual([
      { tensor: 'a', type: 'float32', shape: [2], fields: [{ field: 'x' }, { field: 'y' }], allowNaN: false },
      { tensor: 'b', type: 'float64', shape: [], fields: [{ field: 'z', default: 1 }], allowNaN: true },
    ])
    expect(manifest.outputs).toEqual({ scores: 's', values: { t: 't' } })
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['another schema', { schema: 2 }, 'schema: this version reads'],
    ['a name that is a path', { name: '../x' }, 'name: only letters'],
    ['a version with a blank', { version: '1 0' }, 'version: only letters'],
    ['a misspelt key', { ouputs: {} }, 'ouputs'],
    ['no inputs', { inputs: [] }, 'inputs: '],
    ['an unknown type', withInput({ type: 'float16' }), 'inputs[0].type: '],
    ['a dimension of zero', withInput({ shape: [0] }), 'inputs[0].shape[0]: a positive whole number'],
    ['an open dimension inside', withInput({ shape: [null, 3, null] }), 'inputs[0].shape[1]: a positive whole number'],
    ['a row too wide', withInput({ shape: [9999, 9999] }), 'inputs[0].shape: more than'],
    ['a field that is a number', withInput({ fields: [1] }), 'inputs[0].fields[0]: a field name'],
    [
      'a default that is an object',
      withInput({ fields: [{ field: 'a', default: {} }] }),
      'inputs[0].fields[0].default',
    ],
    ['more fields than columns', withInput({ shape: [1] }), 'inputs[0].fields: 2 columns for a row of 1'],
    ['one tensor twice', { inputs: [draftManifest.inputs[0], draftManifest.inputs[0]] }, 'X is bound twice'],
    ['no outputs', { outputs: { labels: ['a'] } }, 'outputs: name at least one'],
    ['a value that is no tensor', { outputs: { values: { a: 1 } } }, 'outputs.values.a: '],
    ['a missing digest', { files: { 'model.onnx': digest, 'input.avsc': digest } }, 'files: golden.jsonl is missing'],
    ['no files', { files: undefined }, 'files: '],
    ['a file that is a path', { files: { ...complete.files, '../x': digest } }, '../x'],
    ['a digest that is none', { files: { ...complete.files, 'model.onnx': 'abc' } }, 'files.model.onnx: a SHA-256'],
    ['a budget of zero', { stages: { inference: { class: 'firm', budgetMs: 0, perRecords: 1 } } }, 'stages.inference'],
    [
      'a budget for nobody knows how many',
      { stages: { inference: { class: 'firm', budgetMs: 2 } } },
      'stages.inference.perRecords: how many records are 2 ms for?',
    ],
    [
      'a budget by size that falls',
      { stages: { inference: { class: 'firm', budgetMs: { 1: 5, 64: 4 } } } },
      'stages.inference.budgetMs: 4 ms for 64 records are less than 5 for 1',
    ],
    [
      'a budget for no records',
      { stages: { inference: { class: 'firm', budgetMs: { 0: 5 } } } },
      'stages.inference.budgetMs: milli',
    ],
  ])('with %s is refused in one line that names the place', (_, change, expected) => {
    const error = caught(() => parse(change))
    expect(error).toMatchObject({ code: 'bundle-invalid', message: expect.stringContaining(expected) })
    expect(error.message).not.toMatch(/\n/)
  })

  test('cannot reach a prototype, and nested as deep as its size allows it is refused', () => {
    const text = JSON.stringify(complete)
    const poisoned = text.replace('"outputs":{', '"outputs":{"values":{"__proto__":"evil","constructor":"c"},')
    const { outputs } = parseManifest(Buffer.from(poisoned))
    expect(Object.getPrototypeOf(outputs.values)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>).evil).toBeUndefined()
    expect(Object.values(outputs.values)).not.toContain('evil')
    const deep = text.replace('"inputs":[', `"inputs":[${'['.repeat(1_000_000)}${']'.repeat(1_000_000)},`)
    expect(caught(() => parseManifest(Buffer.from(deep)))).toMatchObject({ code: 'bundle-invalid' })
    expect(caught(() => parseManifest(Buffer.alloc(4_194_305, ' ')))).toMatchObject({ code: 'bundle-invalid' })
  })

  test('that is not JSON, not UTF-8 or not an object is refused', () => {
    for (const bytes of [
      Buffer.from('{'),
      Buffer.of(0xff, 0xfe),
      Buffer.from('[]'),
      Buffer.from('null'),
      Buffer.alloc(5_000_000, ' '),
    ])
      expect(caught(() => parseManifest(bytes)).code).toBe('bundle-invalid')
  })

  test('never makes the parser throw anything but its own error', () => {
    const twisted = fc
      .tuple(
        fc.constantFrom('schema', 'name', 'version', 'files', 'inputs', 'outputs', 'stages', '__proto__', 'tensor'),
        fc.jsonValue({ maxDepth: 4 }),
      )
      .map(
        ([key, value]) => `${JSON.stringify(complete).slice(0, -1)},${JSON.stringify(key)}:${JSON.stringify(value)}}`,
      )
    const input = fc.jsonValue().map((value) => JSON.stringify({ ...complete, ...withInput({ fields: value }) }))
    fc.assert(
      fc.property(fc.oneof(twisted, input, fc.json(), fc.string()), (text) => {
        try {
          parseManifest(Buffer.from(text))
        } catch (error) {
          expect(error).toBeInstanceOf(MillraceError)
          expect((error as Error).message).not.toMatch(/\n/)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('a scoring plan', () => {
  const schema = {
    type: 'record',
    name: 'Case',
    fields: [
      { name: 'age', type: 'int' },
      { name: 'sex', type: { type: 'enum', name: 'Sex', symbols: ['F', 'M'] } },
      { name: 'note', type: ['null', 'string'] },
      { name: 'seen', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'left', type: { type: 'array', items: 'float' } },
      { name: 'right', type: { type: 'array', items: ['null', 'float'] } },
      { name: 'lab', type: { type: 'record', name: 'Lab', fields: [{ name: 'iron', type: ['null', 'double'] }] } },
      { name: 'either', type: ['int', 'string'] },
      { name: 'raw', type: 'bytes' },
    ],
  }
  const plan = (...inputs: Record<string, unknown>[]) =>
    toScoringPlan(parse({ inputs: inputs.map((input, i) => ({ tensor: `t${i}`, type: 'float32', ...input })) }), schema)

  test('binds scalars, enums, optional, nested and logical fields, and arrays by what is left', () => {
    const { inputs } = plan(
      { shape: [-1, 9], fields: ['age', 'sex', { field: 'lab.iron', default: 0 }, 'seen', 'left'] },
      { shape: [2, 4], fields: [{ field: 'left', width: 3 }, 'right'] },
      { shape: [1], type: 'string', fields: ['note'] },
      { shape: [], type: 'int64', fields: ['seen'] },
    )
    expect(inputs.map(({ width, fields }) => [width, fields.map((field) => field.width)])).toEqual([
      [9, [1, 1, 1, 1, 5]],
      [8, [3, 5]],
      [1, [1]],
      [1, [1]],
    ])
    expect(inputs[0]!.fields[2]).toEqual({ field: 'lab.iron', width: 1, default: 0 })
  })

  test('reads the default "NaN" where the tensor may hold NaN', () => {
    const fields = [{ field: 'lab.iron', default: 'NaN' }]
    expect(plan({ shape: [1], fields, allowNaN: true }).inputs[0]!.fields[0]!.default).toBeNaN()
    expect(() => plan({ shape: [1], fields })).toThrow('NaN needs allowNaN')
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['a field the schema lacks', { shape: [1], fields: ['height'] }, 'no field height'],
    ['a path through what is no record', { shape: [1], fields: ['age.x'] }, 'no field age.x'],
    ['two arrays without widths', { shape: [4], fields: ['left', 'right'] }, 'arrays left, right a width'],
    ['columns left over', { shape: [3], fields: ['age', 'sex'] }, '2 columns for a row of 3'],
    ['no column left for the array', { shape: [2], fields: ['age', 'left', 'sex'] }, 'columns for a row of 2'],
    ['a width for what is no array', { shape: [2], fields: [{ field: 'age', width: 2 }] }, 'not an array'],
    ['a string in a numeric tensor', { shape: [1], fields: ['note'] }, 'note is string, the tensor is float32'],
    ['bytes', { shape: [1], fields: ['raw'] }, 'raw is bytes'],
    ['a number in a string tensor', { shape: [1], type: 'string', fields: ['age'] }, 'age is int'],
    ['a union of two', { shape: [1], fields: ['either'] }, 'union of 2'],
    ['a string as default of a number', { shape: [1], fields: [{ field: 'age', default: 'old' }] }, 'does not fit'],
    ['a fraction for an integer', { shape: [], type: 'int8', fields: [{ field: 'age', default: 0.5 }] }, 'whole'],
  ])('with %s is refused', (_, input, expected) => {
    const error = caught(() => plan(input))
    expect(error).toMatchObject({ code: 'bundle-invalid', message: expect.stringContaining(expected) })
  })

  test('needs a record schema', () => {
    for (const bad of ['int', { type: 'array', items: 'int' }, { type: 'recrod' }, null, 7, { type: 'record' }])
      expect(caught(() => toScoringPlan(parse({}), bad)).code).toBe('bundle-invalid')
    expect(Object.isFrozen(toScoringPlan(parse({}), readerSchema))).toBe(true)
  })

  test('from any schema fails with its own error or not at all', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          toScoringPlan(parse({}), value)
        } catch (error) {
          expect(error).toBeInstanceOf(MillraceError)
        }
      }),
    )
  })
})

function caught(run: () => unknown): MillraceError {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(MillraceError)
    return error as MillraceError
  }
  throw new Error('nothing was thrown')
}
