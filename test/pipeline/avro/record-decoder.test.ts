import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { frame } from '../../../pipeline/avro/framing.js'
import { createRecordDecoder } from '../../../pipeline/avro/record-decoder.js'
import { createRegistry } from '../../../pipeline/avro/registry.js'
import { uniqueName } from '../../fixtures/kafka.js'
import { startTcpProxy } from '../../fixtures/tcp-proxy.js'
import {
  codes,
  decodeData,
  decodeValues,
  encoded,
  input,
  memoryRegistry,
  planOf,
  recordOf,
  recordSchema,
  scalar,
} from './decoder-fixture.js'

const floats = { type: 'array', items: 'float' }
const scan = recordSchema(['id', 'string'], ['pixels', floats])
const pixels = planOf(recordSchema(['pixels', floats]), input([{ field: 'pixels', width: 3 }]))

describe('rows', () => {
  test('are those of the records that are not rejected, and exactly as long', () => {
    const decoded = decodeValues(scan, pixels, [
      { id: 'a', pixels: [1, 2, 3] },
      { id: 'b', pixels: [1, 2] },
      { id: 'c', pixels: [4, 5, 6] },
    ])
    expect(decoded.rows).toEqual({ count: 2, columns: [Float32Array.of(1, 2, 3, 4, 5, 6)] })
    expect(decoded.rejected).toEqual(
      new Map([[1, { code: 'shape-mismatch', reason: 'pixels has 2 items, the model needs 3' }]]),
    )
    expect(decoded.echo).toBeUndefined()
  })

  test('fill every kind of tensor', () => {
    const reader = recordSchema(
      ['d', 'double'],
      ['l', 'long'],
      ['i', 'int'],
      ['b', 'boolean'],
      ['s', 'string'],
      ['e', { type: 'enum', name: 'E', symbols: ['RED', 'GREEN'] }],
    )
    const plan = planOf(
      reader,
      input(scalar('d', 'e'), { type: 'float64' }),
      input(scalar('l'), { type: 'int64' }),
      input(scalar('i'), { type: 'int8' }),
      input(scalar('b'), { type: 'bool' }),
      input(scalar('s', 'e'), { type: 'string' }),
    )
    const decoded = decodeValues(reader, plan, [
      { d: 0.1, l: 2 ** 52, i: -128, b: true, s: 'x', e: 'GREEN' },
      { d: -1, l: -3, i: 127, b: false, s: 'é', e: 'RED' },
    ])
    expect(decoded.rows.columns).toEqual([
      Float64Array.of(0.1, 1, -1, 0),
      BigInt64Array.of(2n ** 52n, -3n),
      Int8Array.of(-128, 127),
      Uint8Array.of(1, 0),
      ['x', 'GREEN', 'é', 'RED'],
    ])
    expect(decoded.rejected.size).toBe(0)
  })

  test('keep all 64 bits of a long', () => {
    const reader = recordSchema(['l', 'long'])
    const largest = Buffer.from('feffffffffffffffff01', 'hex')
    const smallest = Buffer.from('ffffffffffffffffff01', 'hex')
    const decoded = decodeData(reader, planOf(reader, input(scalar('l'), { type: 'int64' })), [largest, smallest])
    expect(decoded.rows.columns).toEqual([BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n))])
  })
})

describe('what was written is read as the model reads it', () => {
  const x = planOf(recordSchema(['x', 'double']), input(scalar('x')))

  test('in another order, with fields that nobody asks for, under an alias, promoted', () => {
    const reader = recordSchema({ name: 'x', type: 'double', aliases: ['old'] }, ['y', 'float'])
    const writer = recordSchema(
      ['more', { type: 'map', values: 'bytes' }],
      ['y', 'long'],
      ['old', 'int'],
      ['n', 'null'],
    )
    const more = { a: Buffer.from('abc'), b: Buffer.alloc(0) }
    const decoded = decodeValues(writer, planOf(reader, input(scalar('x', 'y'))), [{ more, y: 7, old: -2, n: null }])
    expect(decoded.rows.columns).toEqual([Float32Array.of(-2, 7)])
  })

  test('with defaults for what the writer does not have', () => {
    const reader = recordSchema(
      ['x', 'double'],
      { name: 'y', type: 'float', default: 1.5 },
      { name: 'a', type: floats, default: [8, 9] },
      { name: 'e', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] }, default: 'B' },
      { name: 'n', type: ['null', 'double'], default: null },
      { name: 'r', type: { ...recordSchema(['z', 'int']), name: 'Inner' }, default: { z: 3 } },
    )
    const fields = [...scalar('x', 'y', 'e', 'r.z'), { field: 'a', width: 2 }, { field: 'n', width: 1, default: -1 }]
    const decoded = decodeValues(recordSchema(['x', 'double']), planOf(reader, input(fields)), [{ x: 1 }])
    expect(decoded.rows.columns).toEqual([Float32Array.of(1, 1.5, 1, 3, 8, 9, -1)])
  })

  test('through nested records, null or not', () => {
    const inner = { ...recordSchema(['z', ['null', 'double']]), name: 'Inner' }
    const reader = recordSchema(['r', ['null', inner]])
    const plan = planOf(reader, input([{ field: 'r.z', width: 1, default: 5 }]))
    const decoded = decodeValues(reader, plan, [{ r: { z: 1 } }, { r: { z: null } }, { r: null }])
    expect(decoded.rows.columns).toEqual([Float32Array.of(1, 5, 5)])
  })

  test('an enum by the symbols of the reader, with its default for others', () => {
    const of = (symbols: string[], over = {}) => ({ type: 'enum', name: 'E', symbols, ...over })
    const writer = recordSchema(['e', of(['NEW', 'A', 'B'])])
    const values = [{ e: 'NEW' }, { e: 'A' }, { e: 'B' }]
    const defaulted = planOf(recordSchema(['e', of(['B', 'A'], { default: 'A' })]), input(scalar('e')))
    expect(decodeValues(writer, defaulted, values).rows.columns).toEqual([Float32Array.of(1, 1, 0)])
    const strict = planOf(recordSchema(['e', of(['B', 'A'])]), input(scalar('e')))
    expect(codes(decodeValues(writer, strict, values))).toEqual([[0, 'schema-mismatch']])
  })

  test('from a field that may be null though the model does not say so', () => {
    const decoded = decodeValues(recordSchema(['x', ['null', 'double']]), x, [{ x: 4 }, { x: null }])
    expect(decoded.rows.columns).toEqual([Float32Array.of(4)])
    expect(codes(decoded)).toEqual([[1, 'field-missing']])
  })

  test('from the branches of a union that fit', () => {
    const decoded = decodeValues(recordSchema(['x', ['string', 'double']]), x, [{ x: 4 }, { x: 'four' }])
    expect(decoded.rows.columns).toEqual([Float32Array.of(4)])
    expect(codes(decoded)).toEqual([[1, 'schema-mismatch']])
  })

  test('whatever the name of the record is', () => {
    const writer = { ...recordSchema(['x', 'double']), name: 'Sale', namespace: 'acme' }
    expect(decodeValues(writer, x, [{ x: 4 }]).rows.count).toBe(1)
  })

  test('into several tensors from one field', () => {
    const writer = recordSchema(['x', 'int'], ['y', 'int'])
    const twice = planOf(writer, input(scalar('x', 'y')), input(scalar('x'), { type: 'int64' }))
    expect(decodeValues(writer, twice, [{ x: 4, y: 5 }]).rows.columns).toEqual([
      Float32Array.of(4, 5),
      BigInt64Array.of(4n),
    ])
  })

  test.each<[string, unknown]>([
    ['a field without a default is not there', recordSchema(['y', 'double'])],
    ['a type does not promote', recordSchema(['x', 'string'])],
    ['an array is no number', recordSchema(['x', floats])],
    ['no branch fits', recordSchema(['x', ['null', 'string']])],
    ['it is no record', 'double'],
    ['it is no schema', { type: 'nothing' }],
    ['it is not Avro', 'PROTOBUF schema'],
    ['a field is called __proto__', recordSchema(['__proto__', 'int'], ['x', 'double'])],
  ])('or not at all: %s', (_, writer) => {
    const decoded = decodeData(writer, x, [Buffer.alloc(9), Buffer.alloc(9)])
    expect(codes(decoded)).toEqual([
      [0, 'schema-mismatch'],
      [1, 'schema-mismatch'],
    ])
    expect(decoded.rows).toEqual({ count: 0, columns: [new Float32Array(0)] })
  })
})

describe('a record is rejected', () => {
  const count = (items: number) => encoded('long', items)
  const bytes = (...parts: Uint8Array[]) => Buffer.concat(parts)

  test('when its value is missing or not framed', () => {
    const decoder = createRecordDecoder({ registry: memoryRegistry({ 1: scan }) })
    const good = frame(1, encoded(scan, { id: '', pixels: [1, 2, 3] }))
    const values = [null, Buffer.alloc(0), Buffer.from('{"a":1}'), Buffer.from([0, 0, 0, 0]), good]
    const decoded = decoder.decode(values.map(recordOf), pixels)
    expect(decoded).toMatchObject({ rows: { count: 1 } })
    expect(codes(decoded as Awaited<typeof decoded>)).toEqual([
      [0, 'tombstone'],
      [1, 'empty-value'],
      [2, 'not-framed'],
      [3, 'not-framed'],
    ])
  })

  test.each<[string, Uint8Array, string]>([
    ['it ends too early', encoded(scan, { id: 'a', pixels: [1, 2, 3] }).subarray(0, -2), 'undecodable'],
    ['it has no bytes', Buffer.alloc(0), 'undecodable'],
    ['it goes on', bytes(encoded(scan, { id: 'a', pixels: [1, 2, 3] }), Buffer.from([0])), 'trailing-bytes'],
    ['a count is absurd', bytes(count(0), count(1e8)), 'allocation-bomb'],
    ['a count is negative and absurd', bytes(count(0), count(-1e8), count(0)), 'allocation-bomb'],
    ['a length is absurd', bytes(count(1e9), count(1)), 'allocation-bomb'],
    ['a length is negative', bytes(count(-5), count(1)), 'undecodable'],
    ['a number never ends', Buffer.alloc(20, 0xff), 'undecodable'],
    ['an array is too long', encoded(scan, { id: 'a', pixels: [1, 2, 3, 4] }), 'shape-mismatch'],
    ['a number is none', encoded(scan, { id: 'a', pixels: [1, Number.NaN, 3] }), 'not-a-number'],
    ['a number is infinite', encoded(scan, { id: 'a', pixels: [1, 2, Number.NEGATIVE_INFINITY] }), 'not-a-number'],
  ])('when %s', (_, datum, code) => {
    expect(codes(decodeData(scan, pixels, [datum]))).toEqual([[0, code]])
  })

  test('when a skipped field lies about its size', () => {
    const writer = recordSchema(['skipped', { type: 'array', items: 'long' }], ['x', 'double'])
    const plan = planOf(recordSchema(['x', 'double']), input(scalar('x')))
    const bomb = bytes(count(1e8), Buffer.alloc(9))
    expect(codes(decodeData(writer, plan, [bomb]))).toEqual([[0, 'allocation-bomb']])
  })

  test('when one of many numbers is none, wherever it stands; the largest of all add up to no such thing', () => {
    const largest = 3.4028234663852886e38
    for (const width of [7, 8, 19, 60]) {
      const plan = planOf(recordSchema(['pixels', floats]), input([{ field: 'pixels', width }]))
      const row = (place: number, value: number) => ({
        id: '',
        pixels: Array.from({ length: width }, (_, i) => (i === place ? value : largest)),
      })
      const wrong = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
      const rows = Array.from({ length: width }, (_, place) => wrong.map((value) => row(place, value))).flat()
      const { rejected } = decodeValues(scan, plan, [...rows, row(0, -largest), row(-1, 0)])
      expect([...rejected.values()].map(({ code }) => code)).toEqual(rows.map(() => 'not-a-number'))
    }
  })

  test.each<[string, unknown, number]>([
    ['a symbol', { type: 'enum', name: 'E', symbols: ['A', 'B'] }, 2],
    ['a symbol', { type: 'enum', name: 'E', symbols: ['A', 'B'] }, -1],
    ['a branch', ['null', 'int'], 2],
    ['a branch', ['null', 'int'], -1],
  ])('when it names %s that does not exist: %j, %i', (_, type, index) => {
    const [bound, skipped] = [recordSchema(['x', type]), recordSchema(['y', type], ['x', 'int'])]
    const datum = bytes(count(index), Buffer.alloc(1))
    expect(codes(decodeData(bound, planOf(bound, input(scalar('x'))), [datum]))).toEqual([[0, 'undecodable']])
    const plan = planOf(recordSchema(['x', 'int']), input(scalar('x')))
    expect(codes(decodeData(skipped, plan, [datum]))).toEqual([[0, 'undecodable']])
  })

  test.each<[string, unknown, Partial<Parameters<typeof input>[1]>, unknown, string]>([
    ['a double is larger than a float32', 'double', {}, 1e300, 'out-of-range'],
    ['an int is no int8', 'int', { type: 'int8' }, 128, 'out-of-range'],
    ['a fraction is no int32', 'double', { type: 'int32' }, 0.5, 'out-of-range'],
    ['a fraction is no int64', 'double', { type: 'int64' }, 0.5, 'out-of-range'],
    ['a double is larger than an int64', 'double', { type: 'int64' }, 1e19, 'out-of-range'],
    ['NaN is no int64', 'double', { type: 'int64', allowNaN: true }, Number.NaN, 'not-a-number'],
    ['2 is no bool', 'int', { type: 'bool' }, 2, 'out-of-range'],
  ])('when %s', (_, type, over, value, code) => {
    const schema = recordSchema(['x', type])
    expect(codes(decodeValues(schema, planOf(schema, input(scalar('x'), over)), [{ x: value }]))).toEqual([[0, code]])
  })

  test('unless the tensor allows NaN', () => {
    const schema = recordSchema(['x', 'double'], ['a', floats])
    const plan = planOf(schema, input([...scalar('x'), { field: 'a', width: 1 }], { allowNaN: true }))
    const decoded = decodeValues(schema, plan, [{ x: Number.NaN, a: [Number.POSITIVE_INFINITY] }])
    expect(decoded.rows.columns).toEqual([Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY)])
  })
})

describe('echoes', () => {
  const nested = { ...recordSchema(['b', 'long']), name: 'Nested' }
  const writer = recordSchema(
    ['id', 'string'],
    ['n', ['null', 'string']],
    ['a', nested],
    ['x', 'double'],
    ['raw', 'bytes'],
  )
  const plan = planOf(recordSchema(['x', 'double']), input(scalar('x')))

  test('carry fields along as they were written: strings as they are, anything else as JSON, null not at all', () => {
    const one = { id: '1', n: 'text', a: { b: 5 }, x: 0.5, raw: Buffer.from('hi') }
    const decoded = decodeValues(
      writer,
      plan,
      [one, { ...one, id: '2', n: null }],
      ['id', 'n', 'a', 'a.b', 'x', 'raw', 'no'],
    )
    expect(decoded.echo).toEqual([
      { id: '1', n: 'text', a: '{"b":5}', 'a.b': '5', x: '0.5', raw: 'aGk=' },
      { id: '2', a: '{"b":5}', 'a.b': '5', x: '0.5', raw: 'aGk=' },
    ])
    expect(decoded.rows.columns).toEqual([Float32Array.of(0.5, 0.5)])
  })

  test('are one per row', () => {
    const good = encoded(writer, { id: '1', n: null, a: { b: 5 }, x: 0.5, raw: Buffer.alloc(0) })
    expect(decodeData(writer, plan, [good.subarray(1), good, good], ['id']).echo).toEqual([{ id: '1' }, { id: '1' }])
  })
})

test('names that every object has are no types: a schema that uses one does not resolve', async () => {
  for (const name of ['__proto__', 'constructor', 'toString'])
    for (const schema of [name, { type: name }, recordSchema(['pixels', name]), ['null', { type: name }]]) {
      const decoder = createRecordDecoder({ registry: { known: () => schema, fetch: async () => schema } })
      const decoded = await decoder.decode([recordOf(frame(7, Buffer.from([0])))], pixels)
      expect(decoded.rejected.get(0)).toMatchObject({
        code: 'schema-mismatch',
        reason: expect.stringContaining(`unknown type: ${name}`),
      })
    }
})

describe('schemas of the registry', () => {
  const registry = createRegistry({ url: inject('registry') })
  afterAll(() => registry.close())
  const other = recordSchema(['pixels', { type: 'array', items: 'int' }], { name: 'z', type: 'int', default: 0 })
  const ids = { scan: 0, other: 0 }
  beforeAll(async () => {
    const subject = uniqueName('decoder')
    ids.scan = await registry.register(`${subject}-a`, scan)
    ids.other = await registry.register(`${subject}-b`, other)
  })
  const records = () => [
    recordOf(frame(ids.scan, encoded(scan, { id: 'a', pixels: [1, 2, 3] }))),
    recordOf(frame(2_000_000_000, Buffer.from([1]))),
    recordOf(frame(ids.other, encoded(other, { pixels: [4, 5, 6], z: 1 }))),
  ]
  const expected = Float32Array.of(1, 2, 3, 4, 5, 6)

  test('are fetched, ids that do not exist reject their records, and what is known is decoded at once', async () => {
    const fresh = createRegistry({ url: inject('registry') })
    try {
      const decoder = createRecordDecoder({ registry: fresh })
      const first = decoder.decode(records(), pixels)
      expect(first).toBeInstanceOf(Promise)
      const decoded = await first
      expect(decoded.rows.columns).toEqual([expected])
      expect(codes(decoded)).toEqual([[1, 'unknown-schema']])

      const again = decoder.decode([records()[0]!, records()[2]!], pixels)
      expect(again).toMatchObject({ rows: { columns: [expected] } })
    } finally {
      fresh.close()
    }
  })

  test('are waited for while the registry is away', async () => {
    const url = new URL(inject('registry'))
    const door = await startTcpProxy(url.host, { open: false })
    url.host = door.address
    let restored = false
    const onState = (state: string) => {
      if (state !== 'waiting' || restored) return
      restored = true
      door.restore()
    }
    const behind = createRegistry({ url: url.href, onState })
    try {
      const decoded = await createRecordDecoder({ registry: behind }).decode(records(), pixels)
      expect(restored).toBe(true)
      expect(decoded.rows.columns).toEqual([expected])
    } finally {
      behind.close()
      await door.close()
    }
  })
})
