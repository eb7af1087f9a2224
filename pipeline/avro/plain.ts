import type avro from 'avsc'
import { branchOf, minimumBytes, symbolIndex } from './bounds.js'
import type { Cursor } from './cursor.js'
import { arrayItems, enumSymbols, fixedSize, isUnion, mapValues, recordFields, unionBranches } from './types.js'

type Read = (cursor: Cursor) => unknown

/**
 * Compiles a reader of plain, JSON-able values: longs are numbers where they are safe and strings where not, bytes are base64, the branch of
 * a union is not named. Counts and lengths are checked against the bytes that are left; throws `Malformed`.
 */
export function compilePlain(type: avro.Type, compiled: Map<avro.Type, Read> = new Map()): Read {
  const known = compiled.get(type)
  if (known) return known
  // A record that contains itself finds this in its place while it is compiled.
  compiled.set(type, (cursor) => compiled.get(type)!(cursor))
  const read = readOf(type, compiled)
  compiled.set(type, read)
  return read
}

function readOf(type: avro.Type, compiled: Map<avro.Type, Read>): Read {
  if (isUnion(type)) {
    const branches = unionBranches(type).map((branch) => compilePlain(branch, compiled))
    return (cursor) => branchOf(cursor, branches)(cursor)
  }
  switch (type.typeName) {
    case 'null':
      return () => null
    case 'boolean':
      return (cursor) => cursor.boolean()
    case 'int':
      return (cursor) => cursor.int()
    case 'long':
      return (cursor) => plainLong(cursor.bigLong())
    case 'float':
      return (cursor) => cursor.float()
    case 'double':
      return (cursor) => cursor.double()
    case 'string':
      return (cursor) => cursor.text()
    case 'bytes':
      return (cursor) => base64(cursor, cursor.length())
    case 'fixed': {
      const size = fixedSize(type)
      return (cursor) => base64(cursor, size)
    }
    case 'enum': {
      const symbols = enumSymbols(type)
      return (cursor) => symbols[symbolIndex(cursor, symbols.length)]
    }
    case 'record':
    case 'error':
      return record(type, compiled)
    case 'array':
      return array(arrayItems(type), compiled)
    case 'map':
      return map(mapValues(type), compiled)
    default:
      throw new Error(`a type that Avro does not have: ${type.typeName}`)
  }
}

const plainLong = (value: bigint): number | string => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

function base64(cursor: Cursor, length: number): string {
  const from = cursor.at
  cursor.skip(length)
  return cursor.memory.toString('base64', from, cursor.at)
}

function record(type: avro.Type, compiled: Map<avro.Type, Read>): Read {
  const fields = recordFields(type).map((field) => ({ name: field.name, read: compilePlain(field.type, compiled) }))
  return (cursor) => {
    const value: Record<string, unknown> = {}
    cursor.enter()
    for (const { name, read } of fields) value[name] = read(cursor)
    cursor.leave()
    return value
  }
}

function array(items: avro.Type, compiled: Map<avro.Type, Read>): Read {
  const read = compilePlain(items, compiled)
  const itemBytes = minimumBytes(items)
  return (cursor) => {
    const values: unknown[] = []
    blocks(cursor, itemBytes, () => values.push(read(cursor)))
    return values
  }
}

function map(type: avro.Type, compiled: Map<avro.Type, Read>): Read {
  const read = compilePlain(type, compiled)
  const entryBytes = 1 + minimumBytes(type)
  return (cursor) => {
    const values: Record<string, unknown> = {}
    blocks(cursor, entryBytes, () => {
      const key = cursor.text()
      if (key === '__proto__') throw cursor.malformed('a map with the key __proto__')
      values[key] = read(cursor)
    })
    return values
  }
}

function blocks(cursor: Cursor, itemBytes: number, item: () => void): void {
  cursor.enter()
  for (let count = cursor.count(itemBytes); count > 0; count = cursor.count(itemBytes)) {
    const { blockEnd } = cursor
    for (let i = 0; i < count; i++) item()
    cursor.endBlock(blockEnd)
  }
  cursor.leave()
}
