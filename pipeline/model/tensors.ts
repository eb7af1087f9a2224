import type { TensorData, TensorPlan, TensorType } from '../../stages/ports.js'
import { allocate, tensorArrays } from '../../stages/tensor-data.js'

/** The columns that are typed arrays: everything but strings. */
export type NumericData = Exclude<TensorData, string[]>

/** Whether `column` is what a tensor of this type is made from. */
export function holds(type: TensorType, column: TensorData): boolean {
  return type === 'string' ? Array.isArray(column) : column instanceof tensorArrays[type]
}

/** The buffers of typed columns: the transfer list of a message that carries them. */
export function buffersOf(columns: readonly TensorData[]): ArrayBuffer[] {
  return columns.flatMap((column) => (Array.isArray(column) ? [] : [column.buffer as ArrayBuffer]))
}

/**
 * Rows `[first, first + count)` of a column, followed by copies of the last of them up to `padTo` rows.
 * Without padding a typed column comes back as a view, not a copy.
 */
export function takeRows(column: TensorData, width: number, first: number, count: number, padTo: number): TensorData {
  const from = first * width
  const to = from + count * width
  if (padTo === count) return Array.isArray(column) ? column.slice(from, to) : column.subarray(from, to)
  if (Array.isArray(column)) {
    const rows = column.slice(from, to)
    const last = rows.slice((count - 1) * width)
    for (let row = count; row < padTo; row++) rows.push(...last)
    return rows
  }
  const padded = new (column.constructor as new (length: number) => NumericData)(padTo * width)
  padded.set(column.subarray(from, to) as never)
  const last = column.subarray(to - width, to)
  for (let row = count; row < padTo; row++) padded.set(last as never, row * width)
  return padded
}

/** A row to warm a model up with: the default of every field that has one, and `filler` (as a string: '' or '1') everywhere else. */
export function sampleColumn(input: TensorPlan, filler: 0 | 1): TensorData {
  const row = allocate(input.type, input.width)
  const elements = row as (number | bigint | string)[]
  let at = 0
  for (const field of input.fields) {
    for (let i = 0; i < field.width; i++) elements[at++] = sampleValue(input.type, field.default ?? filler)
  }
  return row
}

function sampleValue(type: TensorType, value: number | boolean | string): number | bigint | string {
  if (type === 'string') return value === 0 ? '' : String(value)
  const number = Number(value)
  if (type === 'int64') return BigInt(Number.isFinite(number) ? Math.trunc(number) : 0)
  return number
}
