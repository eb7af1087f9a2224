import type avro from 'avsc'
import { symbolIndex } from './bounds.js'
import { Malformed } from './cursor.js'
import { Mismatch, resolveUnions, type Step } from './resolve.js'
import type { Slot } from './slot.js'
import { enumDefault, enumSymbols } from './types.js'

/** Reads one scalar, as the writer wrote it and the reader reads it, into an element of a slot's column. */
export function compileElement(writer: avro.Type, reader: avro.Type, slot: Slot): Step {
  return resolveUnions(
    writer,
    reader,
    (_, at) => slot.missing(at),
    (from, to) => scalar(from, to, slot),
  )
}

/** What each type may be written as. */
const promotions: Readonly<Record<string, readonly string[]>> = {
  boolean: ['boolean'],
  int: ['int'],
  long: ['int', 'long'],
  float: ['int', 'long', 'float'],
  double: ['int', 'long', 'float', 'double'],
  string: ['string', 'bytes'],
  enum: ['enum'],
}

function scalar(writer: avro.Type, reader: avro.Type, slot: Slot): Step {
  const { field, column } = slot
  const { type } = column.input
  const forbid = (what: string) => new Mismatch(`${field.field}: ${what}`)
  if (!promotions[reader.typeName]?.includes(writer.typeName))
    throw forbid(`${writer.typeName} cannot be read as ${reader.typeName}`)
  switch (writer.typeName) {
    case 'boolean':
      return type === 'string'
        ? (cursor, at) => slot.text(at, String(cursor.boolean()))
        : (cursor, at) => slot.number(at, cursor.boolean() ? 1 : 0)
    case 'int':
      return (cursor, at) => slot.number(at, cursor.int())
    case 'long':
      return reader.typeName === 'long' && (type === 'int64' || type === 'string')
        ? (cursor, at) => slot.big(at, cursor.bigLong())
        : (cursor, at) => slot.number(at, cursor.long())
    case 'float':
      return (cursor, at) => slot.number(at, cursor.float())
    case 'double':
      return (cursor, at) => slot.number(at, cursor.double())
    case 'enum':
      return symbol(writer, reader, slot)
    default:
      if (type !== 'string') throw forbid(`${reader.typeName} does not go into a tensor of ${type}`)
      return (cursor, at) => slot.text(at, cursor.text())
  }
}

/** An enum by the reader's symbols: in a string tensor the symbol, in any other its index. */
function symbol(writer: avro.Type, reader: avro.Type, slot: Slot): Step {
  const written = enumSymbols(writer)
  const read = enumSymbols(reader)
  const substitute = enumDefault(reader)
  const indices = written.map((one) => {
    const index = read.indexOf(one)
    return index < 0 && substitute !== undefined ? read.indexOf(substitute) : index
  })
  if (indices.every((index) => index < 0))
    throw new Mismatch(`${slot.field.field}: none of the symbols ${written} is among ${read}`)
  const text = slot.column.input.type === 'string'
  return (cursor, at) => {
    const index = symbolIndex(cursor, written.length)
    const known = indices[index]!
    if (known < 0)
      throw new Malformed('schema-mismatch', `${slot.field.field} is ${written[index]}, which the model does not know`)
    if (text) slot.text(at, read[known]!)
    else slot.number(at, known)
  }
}
