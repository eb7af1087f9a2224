import avro from 'avsc'
import { describe, expect, test } from 'vitest'
import { inferSchema } from '../../../pipeline/avro/infer-schema.js'
import { createRecordEncoder } from '../../../pipeline/avro/record-encoder.js'
import { recordSchema } from './decoder-fixture.js'

const color = { type: 'enum', name: 'Color', symbols: ['RED', 'GREEN'] }
const floats = { type: 'array', items: 'float' }

/** What avsc reads of what was encoded. */
const read = (schema: unknown, datum: Buffer): unknown => ({
  ...avro.Type.forSchema(schema as avro.Schema).fromBuffer(datum),
})

describe('JSON', () => {
  const schema = recordSchema(
    ['id', 'string'],
    ['n', ['null', 'double']],
    { name: 'c', type: color, default: 'GREEN' },
    { name: 'size', type: 'int', default: 7 },
    ['big', 'long'],
  )
  const { encode } = createRecordEncoder(schema)

  test('needs no names for branches; defaults and nulls stand in for what is missing; more than the schema is left out', () => {
    expect(read(schema, encode({ id: 'a', n: 1.5, big: 1, more: true }))).toEqual({
      ...{ id: 'a', n: 1.5, c: 'GREEN', size: 7, big: 1 },
    })
    expect(read(schema, encode({ id: 'a', n: { double: 2 }, c: 'RED', big: 1 }))).toMatchObject({ n: 2, c: 'RED' })
    expect(read(schema, encode({ id: 'a', big: 1 }))).toMatchObject({ n: null })
  })

  test('may write the longs that JSON numbers cannot as strings', () => {
    const long = createRecordEncoder('long')
    expect(long.encode('9223372036854775807').toString('hex')).toBe('feffffffffffffffff01')
    expect(long.encode('-9223372036854775808').toString('hex')).toBe('ffffffffffffffffff01')
    expect(() => long.encode('9223372036854775808')).toThrow('64 bits')
  })

  test('may write NaN as a string', () => {
    expect(createRecordEncoder('double').encode('NaN').readDoubleLE()).toBeNaN()
  })

  test.each<[string, unknown, string]>([
    ['a number where text is needed', { id: 5, big: 1 }, 'id: 5 where a string is needed'],
    ['nothing', { big: 1 }, 'id: nothing where a string is needed'],
    ['a fraction for an int', { id: '', size: 0.5, big: 1 }, 'size: 0.5 where an int is needed'],
    ['an int that is too large', { id: '', size: 2 ** 31, big: 1 }, 'size: 2147483648 where an int is needed'],
    ['an unknown symbol', { id: '', c: 'BLUE', big: 1 }, 'c: "BLUE" where one of RED, GREEN is needed'],
    ['no branch', { id: '', n: 'x', big: 1 }, 'n: "x" where null or double is needed'],
    ['no object', [1], '[1] where an object is needed'],
  ])('that does not fit is refused with the name of the field: %s', (_, value, reason) => {
    expect(() => encode(value)).toThrow(expect.objectContaining({ code: 'record-invalid', detail: reason }))
  })

  test('names the item of an array', () => {
    const { encode } = createRecordEncoder(recordSchema(['a', floats]))
    expect(() => encode({ a: [1, 'two'] })).toThrow('a[1]: "two" where a number is needed')
  })

  test('is encoded rightly after a refusal', () => {
    expect(() => encode({ id: 'a', n: 'x' })).toThrow()
    expect(read(schema, encode({ id: 'b', n: 1, big: 2 }))).toMatchObject({ id: 'b', n: 1, big: 2 })
  })
})

test('what is no schema is refused', () => {
  expect(() => createRecordEncoder({ type: 'nothing' })).toThrow(expect.objectContaining({ code: 'record-invalid' }))
})

describe('rows of a table', () => {
  const schema = recordSchema(
    ['id', 'string'],
    ['x', 'double'],
    ['n', ['null', 'long']],
    ['b', 'boolean'],
    ['a', floats],
    { name: 'd', type: 'int', default: 3 },
    { name: 's', type: ['null', 'string'], default: null },
    ['c', color],
  )
  const encoder = createRecordEncoder(schema)
  const row = { id: '007', x: ' 1e-3', n: '5.0', b: 'True', a: '1 2;3', d: '', s: '', c: 'RED' }

  test('become values by the types of the fields', () => {
    const value = encoder.fromText(row)
    expect(value).toEqual({ id: '007', x: 0.001, n: 5, b: true, a: [1, 2, 3], c: 'RED' })
    expect(read(schema, encoder.encode(value))).toMatchObject({ id: '007', n: 5, d: 3, s: null })
  })

  test('have arrays as JSON or with something between the items', () => {
    for (const a of ['[1,2,3]', '1 2 3', '1;2;3', '1, 2, 3'])
      expect(encoder.fromText({ ...row, a })).toMatchObject({ a: [1, 2, 3] })
  })

  test('have the longs that numbers cannot hold, NaN, and null', () => {
    const value = encoder.fromText({ ...row, n: '9007199254740993', x: 'nan', s: 'null' })
    expect(value).toMatchObject({ n: '9007199254740993', x: Number.NaN, s: 'null' })
    expect(encoder.fromText({ ...row, n: '' })).not.toHaveProperty('n')
  })

  test.each([
    [{ x: 'one' }, 'x: "one" where a number is needed'],
    [{ x: '' }, 'x: nothing where a number is needed'],
    [{ b: 'perhaps' }, 'b: "perhaps" where true or false is needed'],
    [{ n: '1.5' }, 'n: "1.5" where null or long is needed'],
    [{ a: '1 two' }, 'a[1]: "two" where a number is needed'],
    [{ a: '[1' }, 'a: "[1" where an array is needed'],
  ])('that do not fit are refused with the name of the column: %o', (over, reason) => {
    expect(() => encoder.encode(encoder.fromText({ ...row, ...over }))).toThrow(reason)
  })
})

describe('a schema told from samples', () => {
  test('has doubles, text, truths, arrays and records, null where something was missing', () => {
    const samples = [
      { id: 'a', x: 1, ok: true, pixels: [0, 1], place: { lat: 1.5 } },
      { id: 'b', x: null, ok: false, pixels: [], place: { lat: 2, note: 'here' } },
    ]
    const schema = inferSchema('digits.input', samples)
    expect(schema).toEqual({
      type: 'record',
      name: 'digits_input',
      fields: [
        { name: 'id', type: 'string' },
        { name: 'x', type: ['null', 'double'], default: null },
        { name: 'ok', type: 'boolean' },
        { name: 'pixels', type: { type: 'array', items: 'double' } },
        {
          name: 'place',
          type: {
            type: 'record',
            name: 'digits_input_place',
            fields: [
              { name: 'lat', type: 'double' },
              { name: 'note', type: ['null', 'string'], default: null },
            ],
          },
        },
      ],
    })
    const { encode } = createRecordEncoder(schema)
    for (const sample of samples) expect(read(schema, encode(sample))).toMatchObject({ id: sample.id })
  })

  test.each<[string, unknown[], string]>([
    ['none', [], 'no records'],
    ['no objects', [[1]], 'a JSON object'],
    ['text and numbers in one field', [{ a: 1 }, { a: 'x' }], 'a is sometimes number and sometimes string'],
    ['a name that Avro does not take', [{ 'mean radius': 1 }], 'mean radius: Avro takes letters'],
  ])('is not told from %s', (_, samples, reason) => {
    expect(() => inferSchema('r', samples)).toThrow(
      expect.objectContaining({ code: 'record-invalid', detail: expect.stringContaining(reason) }),
    )
  })
})
