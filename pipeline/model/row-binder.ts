import { MillraceError } from '../../stages/errors.js'
import type { FieldBinding, Rows, ScoringPlan, TensorData, TensorPlan } from '../../stages/ports.js'
import { allocate } from '../../stages/tensor-data.js'

/**
 * Binds decoded records (plain objects, as avsc makes them) to rows. For a few records at a time: golden cases, a single prediction. The
 * stream is bound by a decoder that never makes the objects. `enumIndex(path, symbol)` gives the index of an enum's symbol.
 * Throws `record-invalid`, naming the field.
 */
export function bindRows(
  records: readonly unknown[],
  plan: ScoringPlan,
  enumIndex: (path: string, symbol: string) => number | undefined,
): Rows {
  const columns = plan.inputs.map((input) => {
    const column = allocate(input.type, records.length * input.width)
    let at = 0
    for (const record of records)
      for (const field of input.fields) {
        for (const value of elements(record, field)) {
          write(column, at++, value, input, field, enumIndex)
        }
      }
    return column
  })
  return { count: records.length, columns }
}

function elements(record: unknown, field: FieldBinding): readonly unknown[] {
  const value = field.field
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | null | undefined)?.[name], record)
  if (value === null || value === undefined) return new Array(field.width).fill(null)
  if (!Array.isArray(value)) return [value]
  if (value.length !== field.width) throw invalid(field, `an array of ${value.length}, the tensor takes ${field.width}`)
  return value
}

function write(
  column: TensorData,
  at: number,
  given: unknown,
  input: TensorPlan,
  field: FieldBinding,
  enumIndex: (path: string, symbol: string) => number | undefined,
): void {
  const value = given ?? field.default
  if (value === undefined) throw invalid(field, 'null, and it has no default')
  if (Array.isArray(column)) {
    column[at] = String(value)
    return
  }
  const number = typeof value === 'string' ? enumIndex(field.field, value) : Number(value)
  if (number === undefined) throw invalid(field, `${JSON.stringify(value)} is not a symbol of its enum`)
  if (!Number.isFinite(number)) {
    if (!input.allowNaN) throw invalid(field, `${number}, and ${input.tensor} does not allow that`)
    if (!input.type.startsWith('float')) throw invalid(field, `${number} is no ${input.type}`)
  }
  if (column instanceof BigInt64Array) {
    if (!Number.isInteger(number) || number < -(2 ** 63) || number >= 2 ** 63)
      throw invalid(field, `${number} is no int64`)
    column[at] = BigInt(number)
    return
  }
  column[at] = number
  // What does not come back does not fit; a float may lose digits.
  if (!input.type.startsWith('float') && column[at] !== number) throw invalid(field, `${number} is no ${input.type}`)
}

const invalid = (field: FieldBinding, what: string): MillraceError =>
  new MillraceError('record-invalid', `${field.field}: ${what}`)
