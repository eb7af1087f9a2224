import type { FieldBinding } from '../../stages/ports.js'
import type { Column } from './columns.js'
import { Malformed } from './cursor.js'

/**
 * Where the values of one field go: `field.width` elements of a column, beginning with `offset` in each row. `at` is the element in the whole
 * column. Each call checks that the value fits and throws `Malformed` when it does not.
 */
export interface Slot {
  readonly field: FieldBinding
  readonly column: Column
  readonly offset: number
  number(at: number, value: number): void
  big(at: number, value: bigint): void
  text(at: number, value: string): void
  /** Null: the default of the binding stands in. */
  missing(at: number): void
}

export function createSlot(column: Column, field: FieldBinding, offset: number): Slot {
  const put = puts(column, field.field)
  const substitute = field.default
  return {
    field,
    column,
    offset,
    ...put,
    missing(at) {
      if (substitute === undefined) throw new Malformed('field-missing', `${field.field} is null`)
      if (typeof substitute === 'string') put.text(at, substitute)
      else if (column.input.type === 'string') put.text(at, String(substitute))
      else put.number(at, Number(substitute))
    },
  }
}

type Puts = Pick<Slot, 'number' | 'big' | 'text'>

function puts(column: Column, name: string): Puts {
  switch (column.input.type) {
    case 'string':
      return textPuts(column as Column<string[]>)
    case 'float32':
    case 'float64':
      return floatPuts(column as Column<Float32Array>, name)
    case 'int64':
      return bigPuts(column as Column<BigInt64Array>, name)
    default:
      return wholePuts(column as Column<Int32Array>, name)
  }
}

function textPuts(column: Column<string[]>): Puts {
  const text = (at: number, value: string): void => {
    column.data[at] = value
  }
  return { text, number: (at, value) => text(at, String(value)), big: (at, value) => text(at, String(value)) }
}

function floatPuts(column: Column<Float32Array>, name: string): Puts {
  const number = (at: number, value: number): void => {
    column.data[at] = value
    const stored = column.data[at]!
    if (stored - stored !== 0) checkFloat(column, name, value)
  }
  return { number, big: (at, value) => number(at, Number(value)), text: refuseText(column, name) }
}

/** Of a value that is not finite as the column holds it. */
export function checkFloat({ input }: Column, name: string, value: number): void {
  if (Number.isFinite(value)) throw outOfRange(name, value, input.type)
  if (!input.allowNaN) throw new Malformed('not-a-number', `${name} is ${value}`)
}

function bigPuts(column: Column<BigInt64Array>, name: string): Puts {
  return {
    number(at, value) {
      if (!Number.isInteger(value) || value < -(2 ** 63) || value >= 2 ** 63) throw unfit(name, value, 'int64')
      column.data[at] = BigInt(value)
    },
    big(at, value) {
      column.data[at] = value
    },
    text: refuseText(column, name),
  }
}

function wholePuts(column: Column<Int32Array>, name: string): Puts {
  const { type } = column.input
  const number = (at: number, value: number): void => {
    column.data[at] = value
    // What does not come back does not fit; what holds a bool would hold more.
    if (column.data[at] !== value || (type === 'bool' && value > 1)) throw unfit(name, value, type)
  }
  return { number, big: (at, value) => number(at, Number(value)), text: refuseText(column, name) }
}

const refuseText =
  ({ input }: Column, name: string) =>
  (): never => {
    throw new Malformed('schema-mismatch', `${name} is text, its tensor ${input.type}`)
  }

const outOfRange = (name: string, value: number, type: string): Malformed =>
  new Malformed('out-of-range', `${name} is ${value}, which is no ${type}`)

const unfit = (name: string, value: number, type: string): Malformed =>
  Number.isFinite(value) ? outOfRange(name, value, type) : new Malformed('not-a-number', `${name} is ${value}`)
