import avro from 'avsc'
import { expect, test } from 'vitest'
import { guessSchema } from '../../../pipeline/cli/schema-guess.js'
import { createValueEncoder } from '../../../pipeline/client/record-encoding.js'

const schema = { type: 'record', name: 'R', fields: [{ name: 'a', type: 'int' }] }

test('a value is framed with the number of its schema; a cell is read as its field has it', () => {
  for (const [format, fields] of [
    ['json', { a: 1 }],
    ['csv', { a: '1' }],
  ] as const) {
    const value = createValueEncoder(schema, 7, format).encode(fields)
    expect([value[0], value.readInt32BE(1)]).toEqual([0, 7])
    expect(avro.Type.forSchema(schema as avro.Schema).fromBuffer(value.subarray(5))).toMatchObject({ a: 1 })
  }
})

test('fields that the schema does not have are left out, and said', () => {
  const encoder = createValueEncoder(schema, 7, 'json')
  encoder.encode({ a: 1, b: 2 })
  expect([...encoder.leftOut]).toEqual(['b'])
})

test('cells are numbers, truths and lists where the whole column is; codes with zeros are text', () => {
  const cells = [
    { id: '007', n: '1', x: '2.5', when: '', flag: 'true', list: '[1,2]', mixed: '1' },
    { id: '008', n: '', x: '-3e2', when: '', flag: 'FALSE', list: '[]', mixed: 'one' },
  ]
  expect(guessSchema(cells, 'a-topic', 'csv')).toEqual({
    type: 'record',
    name: 'a_topic',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'n', type: ['null', 'double'], default: null },
      { name: 'x', type: 'double' },
      { name: 'when', type: ['null', 'string'], default: null },
      { name: 'flag', type: 'boolean' },
      { name: 'list', type: { type: 'array', items: 'double' } },
      { name: 'mixed', type: 'string' },
    ],
  })
})

test('records that no schema fits say so', () => {
  expect(() => guessSchema([{ a: 1 }, { a: 'x' }], 't', 'json')).toThrow(/give one with --schema FILE\.avsc: a is some/)
})
