import avro from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRecordEncoder } from '../../../pipeline/cli/record-encoding.js'
import { guessSchema } from '../../../pipeline/cli/schema-guess.js'

const record = (...fields: object[]) => ({ type: 'record', name: 'R', fields })
const decoded = (schema: unknown, value: Buffer) => {
  expect(value.readInt32BE(1)).toBe(7)
  return { ...avro.Type.forSchema(schema as avro.Schema, { wrapUnions: false }).fromBuffer(value.subarray(5)) }
}
const roundTrip = (schema: unknown, fields: Record<string, unknown>, text = false) =>
  decoded(schema, createRecordEncoder(schema, 7, text).encode(fields))

const schema = record(
  { name: 'flag', type: 'boolean' },
  { name: 'whole', type: 'int' },
  { name: 'number', type: 'double' },
  { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
  { name: 'list', type: { type: 'array', items: 'float' } },
  { name: 'maybe', type: ['null', 'long', 'string'], default: null },
  { name: 'inner', type: { type: 'record', name: 'Inner', fields: [{ name: 'x', type: 'string', default: 'none' }] } },
)
const fields = { flag: true, whole: -3, number: 0.1, kind: 'B', list: [1, 2.5], maybe: 'text', inner: {} }

test('plain records become Avro, with defaults for what is missing and either form of a union', () => {
  expect(JSON.parse(JSON.stringify(roundTrip(schema, fields)))).toEqual({ ...fields, inner: { x: 'none' } })
  expect(roundTrip(schema, { ...fields, maybe: { long: 5 } })).toMatchObject({ maybe: 5 })
  expect(roundTrip(schema, { ...fields, maybe: undefined })).toMatchObject({ maybe: null })
})

test('cells of a table become what the schema says', () => {
  const cells = {
    flag: 'TRUE',
    whole: '-3',
    number: '1e-1',
    kind: 'B',
    list: '[1, 2.5]',
    maybe: '',
    inner: '{"x":"y"}',
  }
  expect(JSON.parse(JSON.stringify(roundTrip(schema, cells, true)))).toEqual({
    ...fields,
    maybe: null,
    inner: { x: 'y' },
  })
})

test.each([
  [{ whole: 2 ** 31 }, 'whole: 2147483648 is not a whole number that fits'],
  [{ whole: '1' }, 'whole: "1" is not a whole number that fits'],
  [{ number: 'NaN?' }, 'number: "NaN?" is not a number'],
  [{ kind: 'C' }, 'kind: "C" is not one of A, B'],
  [{ list: [1, null] }, 'list[1]: null is not a number'],
  [{ flag: undefined }, 'flag is missing'],
  [{ maybe: true }, 'maybe: true is not null or long or string'],
  [{ inner: { x: 1 } }, 'inner.x: 1 is not text'],
])('what does not fit is named with its path: %j', (wrong, line) => {
  expect(() => roundTrip(schema, { ...fields, ...wrong })).toThrow(line)
})

test('fields that the schema does not have are left out, and said', () => {
  const encoder = createRecordEncoder(record({ name: 'a', type: 'int' }), 7, false)
  encoder.encode({ a: 1, b: 2 })
  expect([...encoder.leftOut]).toEqual(['b'])
})

test('a schema that contains itself', () => {
  const tree = record({ name: 'next', type: ['null', 'R'], default: null }, { name: 'value', type: 'int' })
  expect(JSON.parse(JSON.stringify(roundTrip(tree, { value: 1, next: { value: 2 } })))).toEqual({
    value: 1,
    next: { value: 2, next: null },
  })
})

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/)
const leaf = fc.oneof(fc.boolean(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string())
const value = fc.oneof(
  leaf,
  fc.array(fc.integer(), { maxLength: 4 }),
  fc.dictionary(name, leaf, { minKeys: 1, maxKeys: 3 }),
)

test('property: every record fits the schema that is guessed from it, and comes back as it was', () => {
  fc.assert(
    fc.property(fc.dictionary(name, value, { minKeys: 1, maxKeys: 6 }), (fields) => {
      const guessed = guessSchema([fields], 'some.topic', false)
      const back = JSON.parse(JSON.stringify(roundTrip(guessed, fields)))
      expect(back).toEqual(JSON.parse(JSON.stringify(fields)))
    }),
  )
})

test('whole and broken numbers are numbers, missing ones null, codes with zeros text', () => {
  const cells = [
    { id: '007', n: '1', x: '2.5', when: '', flag: 'true' },
    { id: '008', n: '', x: '-3', when: '', flag: 'false' },
  ]
  expect(guessSchema(cells, 'a-topic', true)).toEqual({
    type: 'record',
    name: 'a_topic',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'n', type: ['null', 'long'], default: null },
      { name: 'x', type: 'double' },
      { name: 'when', type: ['null', 'string'], default: null },
      { name: 'flag', type: 'boolean' },
    ],
  })
  expect(() => guessSchema([{ a: 1 }, { a: 'x' }], 't', false)).toThrow('a is long and string; give one with --schema')
  expect(() => guessSchema([{ 'mean radius': 1 }], 't', false)).toThrow('mean radius is no name for a field in Avro')
})
