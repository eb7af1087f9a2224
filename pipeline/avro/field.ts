import type avro from 'avsc'
import { minimumBytes } from './bounds.js'
import type { Column } from './columns.js'
import { type Cursor, Malformed } from './cursor.js'
import { compileElement } from './element.js'
import { Mismatch, resolveUnions, type Step } from './resolve.js'
import { checkFloat, type Slot } from './slot.js'
import { arrayItems, enumSymbols } from './types.js'

/** Reads a scalar or an array of scalars into the slot's columns of a row. */
export function compileField(writer: avro.Type, reader: avro.Type, slot: Slot): Step {
  return resolveUnions(writer, reader, missingStep(slot), (from, to) => {
    if (to.typeName === 'array') {
      if (from.typeName !== 'array')
        throw new Mismatch(`${slot.field.field}: ${from.typeName} cannot be read as an array`)
      return arrayStep(arrayItems(from), arrayItems(to), slot)
    }
    if (slot.field.width !== 1)
      throw new Mismatch(`${slot.field.field}: one value where ${slot.field.width} are needed`)
    return inRow(compileElement(from, to, slot), slot)
  })
}

const inRow = (element: Step, { column, offset }: Slot): Step => {
  const { width } = column.input
  return (cursor, row) => element(cursor, row * width + offset)
}

/** The default of the binding in every column of the slot. */
export function missingStep(slot: Slot): Step {
  const { width } = slot.column.input
  return (_, row) => {
    const start = row * width + slot.offset
    for (let at = start; at < start + slot.field.width; at++) slot.missing(at)
  }
}

function arrayStep(writer: avro.Type, reader: avro.Type, slot: Slot): Step {
  const { column, offset, field } = slot
  const { width } = column.input
  const itemBytes = minimumBytes(writer)
  const put = itemsOf(writer, reader, slot)
  return (cursor, row) => {
    const start = row * width + offset
    let filled = 0
    cursor.enter()
    for (;;) {
      const count = cursor.count(itemBytes)
      if (count === 0) break
      const { blockEnd } = cursor
      if (count > field.width - filled) throw shape(slot, filled + count)
      put(cursor, start + filled, count)
      filled += count
      cursor.endBlock(blockEnd)
    }
    cursor.leave()
    if (filled !== field.width) throw shape(slot, filled)
  }
}

const shape = ({ field }: Slot, length: number): Malformed =>
  new Malformed('shape-mismatch', `${field.field} has ${length} items, the model needs ${field.width}`)

/** Reads the items of one block. */
type Items = (cursor: Cursor, at: number, count: number) => void

function itemsOf(writer: avro.Type, reader: avro.Type, slot: Slot): Items {
  const element = compileElement(writer, reader, slot)
  if (writer.typeName === 'float' && slot.column.input.type === 'float32') return floats(slot)
  return (cursor, at, count) => {
    for (let i = 0; i < count; i++) element(cursor, at + i)
  }
}

/** Floats are in the record as they are in the column. */
function floats({ column, field }: Slot): Items {
  const floatColumn = column as Column<Float32Array>
  const { allowNaN } = column.input
  return (cursor, at, count) => {
    const { data, bytes } = floatColumn
    cursor.floats(data, bytes, at, count)
    if (allowNaN || areFinite(data, at, at + count)) return
    for (let i = at; i < at + count; i++) {
      const value = data[i]!
      if (value - value !== 0) checkFloat(column, field.field, value)
    }
  }
}

/**
 * Whether floats are all finite: so is then their sum, for doubles do not overflow from adding up floats. In several sums and without a branch:
 * wide records spend much of their time here.
 */
function areFinite(data: Float32Array, from: number, to: number): boolean {
  // Each for itself: an array to take them from would be half of all that the hot path allocates.
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  let e = 0
  let f = 0
  let g = 0
  let h = 0
  let i = from
  for (; i + 8 <= to; i += 8) {
    a += data[i]!
    b += data[i + 1]!
    c += data[i + 2]!
    d += data[i + 3]!
    e += data[i + 4]!
    f += data[i + 5]!
    g += data[i + 6]!
    h += data[i + 7]!
  }
  for (; i < to; i++) a += data[i]!
  const sum = a + b + c + d + e + f + g + h
  return sum - sum === 0
}

/** The default that the reader's schema gives a field which the writer does not have, as avsc reads it. */
export function compileDefault(value: unknown, reader: avro.Type, slot: Slot): Step {
  const { column, offset, field } = slot
  if (value === null || value === undefined) return missingStep(slot)
  const items = Array.isArray(value) ? value : [value]
  if (items.length !== field.width)
    return () => {
      throw shape(slot, items.length)
    }
  const indices = new Map(symbolsOf(reader).map((symbol, index) => [symbol, index]))
  return (_, row) => {
    let at = row * column.input.width + offset
    for (const item of items) putDefault(item, at++, slot, indices)
  }
}

function putDefault(item: unknown, at: number, slot: Slot, indices: ReadonlyMap<string, number>): void {
  const { type } = slot.column.input
  if (item === null) slot.missing(at)
  else if (type === 'string') slot.text(at, String(item))
  else if (typeof item !== 'string') slot.number(at, Number(item))
  else slot.number(at, indices.get(item) ?? Number.NaN)
}

/** The symbols of the enum that a field holds, in an array or beside null or not. */
function symbolsOf(type: avro.Type): readonly string[] {
  if (type.typeName === 'enum') return enumSymbols(type)
  if (type.typeName === 'array') return symbolsOf(arrayItems(type))
  const branches = (type as Partial<avro.types.UnwrappedUnionType>).types ?? []
  return branches.flatMap((branch) => symbolsOf(branch))
}
