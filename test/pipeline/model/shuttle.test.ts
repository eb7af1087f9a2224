import { expect, test } from 'vitest'
import { Shuttle } from '../../../pipeline/model/shuttle.js'
import { concatRows } from '../../../stages/concat-rows.js'
import { input } from './scorer-fixture.js'

const inputs = [input('x', 'float32', [2]), input('name', 'string'), input('n', 'int64')]
const part = (...values: number[]) => ({
  count: values.length,
  columns: [
    Float32Array.from(values.flatMap((value) => [value, -value])),
    values.map(String),
    BigInt64Array.from(values.map(BigInt)),
  ],
})

test('rows of several parts travel as one, and stay readable where they come from', () => {
  const rows = concatRows([part(1, 2), part(3)])
  const { columns, buffers } = new Shuttle(inputs).load(rows)
  expect(columns).toEqual(part(1, 2, 3).columns)
  structuredClone(buffers, { transfer: buffers })
  expect(rows.columns).toEqual(part(1, 2, 3).columns)
})

test('memory that came back is used again where it is large enough, and what is in it does not show', () => {
  const shuttle = new Shuttle(inputs)
  const first = shuttle.load(part(1, 2, 3, 4))
  shuttle.unload(first.buffers)
  const second = shuttle.load(part(5))
  expect(second.columns).toEqual(part(5).columns)
  for (const buffer of second.buffers) expect(first.buffers.some((one) => one === buffer)).toBe(true)
  for (const buffer of shuttle.load(part(6)).buffers) expect(second.buffers.some((one) => one === buffer)).toBe(false)
})

test('memory that is too small for what comes is let go', () => {
  const shuttle = new Shuttle([input('x', 'float32', [2])])
  const few = { count: 1, columns: [Float32Array.of(1, 2)] }
  const many = { count: 4_096, columns: [new Float32Array(8_192)] }
  const small = shuttle.load(few).buffers
  shuttle.unload(small)
  const large = shuttle.load(many).buffers
  shuttle.unload(large)
  expect(shuttle.load(few).buffers[0]).toBe(large[0])
  expect(shuttle.load(few).buffers[0]).not.toBe(small[0])
})
