import fc from 'fast-check'
import { expect, test } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import { createValueReader } from '../../pipeline/avro/value-reader.js'
import {
  decodeData,
  encoded,
  input,
  memoryRegistry,
  planOf,
  recordSchema,
  scalar,
} from '../pipeline/avro/decoder-fixture.js'

const schema = recordSchema(
  ['skipped', { type: 'array', items: 'string' }],
  ['floats', { type: 'array', items: 'float' }],
  ['doubles', { type: 'array', items: 'double' }],
  ['last', 'int'],
)

/** The sizes of blocks, and whether each states its size in bytes, as some encoders do so that others can skip. */
const blockings = fc.array(fc.record({ items: fc.integer({ min: 1, max: 70 }), sized: fc.boolean() }))
type Blocking = { readonly items: number; readonly sized: boolean }

/** An array in blocks; what is left after the last of them is one more. */
function inBlocks(items: readonly Buffer[], blocking: readonly Blocking[]): Buffer {
  const parts: Buffer[] = []
  const rest = [...items]
  for (const { items: count, sized } of [...blocking, { items: Number.POSITIVE_INFINITY, sized: false }]) {
    const block = rest.splice(0, count)
    if (block.length === 0) break
    const bytes = Buffer.concat(block)
    parts.push(encoded('long', sized ? -block.length : block.length))
    parts.push(...(sized ? [encoded('long', bytes.length)] : []), bytes)
  }
  return Buffer.concat([...parts, Buffer.of(0)])
}

test('an array is the same in one block or in many, with their sizes or without', async () => {
  const value = fc.record(
    {
      skipped: fc.array(fc.string(), { maxLength: 5 }),
      floats: fc.array(fc.float({ noDefaultInfinity: true, noNaN: true }), { maxLength: 150, size: 'max' }),
      doubles: fc.array(fc.double({ min: -1e30, max: 1e30, noNaN: true }), { maxLength: 10 }),
      last: fc.integer(),
    },
    { noNullPrototype: true },
  )
  await fc.assert(
    fc.asyncProperty(value, blockings, blockings, blockings, async (one, first, second, third) => {
      const all = (type: string, items: readonly unknown[]) => items.map((item) => encoded(type, item))
      const datum = Buffer.concat([
        inBlocks(all('string', one.skipped), first),
        inBlocks(all('float', one.floats), second),
        inBlocks(all('double', one.doubles), third),
        encoded('int', one.last),
      ])
      const bindings = [
        { field: 'doubles', width: one.doubles.length },
        { field: 'floats', width: one.floats.length },
      ]
      const plan = planOf(schema, input(bindings), input(scalar('last'), { type: 'int32' }))
      const decoded = decodeData(schema, plan, [datum, datum])
      const row = [...one.doubles, ...one.floats]
      expect(decoded.rejected).toEqual(new Map())
      expect(decoded.rows.columns).toEqual([Float32Array.of(...row, ...row), Int32Array.of(one.last, one.last)])

      const { read } = createValueReader(memoryRegistry({ 1: schema }))
      expect(await read(frame(1, datum))).toEqual(one)
    }),
  )
})

test('a block that does not have the size that it states is refused', () => {
  const plan = planOf(schema, input(scalar('last')))
  const lie = Buffer.concat([encoded('long', -1), encoded('long', 3), encoded('string', 'abc'), Buffer.alloc(4)])
  expect([...decodeData(schema, plan, [lie]).rejected.values()]).toMatchObject([{ code: 'undecodable' }])
})
