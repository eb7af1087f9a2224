import type avro from 'avsc'
import { Cursor, Malformed } from './cursor.js'
import { arrayItems, enumSymbols, fixedSize, mapValues, recordFields, unionBranches } from './types.js'

/** Passes over one value of a type and checks it. Throws `Malformed`. */
export type Walk = (cursor: Cursor) => void

/** Walks and least sizes of the types of one schema; recursive types meet themselves here. */
interface Compiled {
  readonly walks: Map<avro.Type, Walk>
  readonly sizes: Map<avro.Type, number>
}

/**
 * avsc allocates what a count or a length claims before it looks at the bytes: ten bytes that claim an array of 10^8 items cost it seconds
 * and gigabytes. This walks the bytes first, in time linear in them, and allocates nothing: every count and length must fit the bytes that are
 * left, numbers must not be longer than their type, branches and symbols must exist, nesting and items without bytes are bounded, and a
 * map may not have the key `__proto__`. What it passes, avsc reads within the same bytes.
 *
 * The result gives the offset after the datum that begins at `offset`, or why it is refused.
 */
export function compileBounds(type: avro.Type): (bytes: Buffer, offset: number) => number | Malformed {
  const walk = compileWalk(type)
  const cursor = new Cursor()
  return (bytes, offset) => {
    try {
      cursor.open(bytes, offset)
      walk(cursor)
      return cursor.at - bytes.byteOffset
    } catch (error) {
      if (error instanceof Malformed) return error
      throw error
    } finally {
      cursor.close()
    }
  }
}

/** Compiles the walk over one type; the caller opens the cursor. */
export function compileWalk(type: avro.Type, compiled: Compiled = { walks: new Map(), sizes: new Map() }): Walk {
  const known = compiled.walks.get(type)
  if (known) return known
  // A record that contains itself finds this in its place while it is compiled.
  compiled.walks.set(type, (cursor) => compiled.walks.get(type)!(cursor))
  const walk = walkOf(type, compiled)
  compiled.walks.set(type, walk)
  return walk
}

function walkOf(type: avro.Type, compiled: Compiled): Walk {
  switch (type.typeName) {
    case 'null':
      return () => undefined
    case 'boolean':
      return (cursor) => void cursor.boolean()
    case 'int':
      return (cursor) => void cursor.int()
    case 'long':
    case 'abstract:long':
      return (cursor) => void cursor.long()
    case 'float':
      return (cursor) => cursor.skip(4)
    case 'double':
      return (cursor) => cursor.skip(8)
    case 'string':
    case 'bytes':
      return (cursor) => cursor.skip(cursor.length())
    case 'fixed': {
      const size = fixedSize(type)
      return (cursor) => cursor.skip(size)
    }
    case 'enum': {
      const symbols = enumSymbols(type).length
      return (cursor) => void symbolIndex(cursor, symbols)
    }
    case 'union:unwrapped':
    case 'union:wrapped': {
      const branches = unionBranches(type).map((branch) => compileWalk(branch, compiled))
      return (cursor) => branchOf(cursor, branches)(cursor)
    }
    case 'record':
    case 'error': {
      const fields = recordFields(type).map((field) => compileWalk(field.type, compiled))
      return (cursor) => {
        cursor.enter()
        for (const field of fields) field(cursor)
        cursor.leave()
      }
    }
    case 'array': {
      const items = arrayItems(type)
      return walkItems(compileWalk(items, compiled), minimumBytes(items, compiled.sizes), isFlat(items))
    }
    case 'map': {
      const values = mapValues(type)
      const value = compileWalk(values, compiled)
      const entry: Walk = (cursor) => {
        mapKey(cursor)
        value(cursor)
      }
      return walkItems(entry, 1 + minimumBytes(values, compiled.sizes), false)
    }
    default:
      throw new Error(`a type that Avro does not have: ${type.typeName}`)
  }
}

function walkItems(item: Walk, itemBytes: number, flat: boolean): Walk {
  return (cursor) => {
    cursor.enter()
    for (;;) {
      const count = cursor.count(itemBytes)
      if (count === 0) break
      const { blockEnd } = cursor
      if (flat) cursor.skip(count * itemBytes)
      else for (let i = 0; i < count; i++) item(cursor)
      cursor.endBlock(blockEnd)
    }
    cursor.leave()
  }
}

/** Reads the branch of a union. */
export function branchOf<T>(cursor: Cursor, branches: readonly T[]): T {
  const index = cursor.long()
  const branch = branches[index]
  if (branch === undefined) throw cursor.malformed(`branch ${index} of a union of ${branches.length}`)
  return branch
}

/** Reads the index of an enum's symbol. */
export function symbolIndex(cursor: Cursor, symbols: number): number {
  const index = cursor.int()
  if (index < 0 || index >= symbols) throw cursor.malformed(`symbol ${index} of an enum of ${symbols}`)
  return index
}

const forbiddenKey = Buffer.from('__proto__')

/** As a plain object's key it would set the object's prototype. */
function mapKey(cursor: Cursor): void {
  const length = cursor.length()
  const { at } = cursor
  if (length === forbiddenKey.length && cursor.memory.compare(forbiddenKey, 0, length, at, at + length) === 0)
    throw cursor.malformed('a map with the key __proto__')
  cursor.at += length
}

/** All values of the type take the same number of bytes, and any bytes will do. */
const isFlat = (type: avro.Type): boolean => ['null', 'float', 'double', 'fixed'].includes(type.typeName)

/** The least number of bytes that a value of the type takes. */
export function minimumBytes(type: avro.Type, sizes: Map<avro.Type, number> = new Map()): number {
  const known = sizes.get(type)
  if (known !== undefined) return known
  // Inside itself a record counts for nothing: less than the truth is safe.
  sizes.set(type, 0)
  const size = sizeOf(type, sizes)
  sizes.set(type, size)
  return size
}

function sizeOf(type: avro.Type, sizes: Map<avro.Type, number>): number {
  switch (type.typeName) {
    case 'null':
      return 0
    case 'float':
      return 4
    case 'double':
      return 8
    case 'fixed':
      return fixedSize(type)
    case 'union:unwrapped':
    case 'union:wrapped':
      return 1 + Math.min(...unionBranches(type).map((branch) => minimumBytes(branch, sizes)))
    case 'record':
    case 'error':
      return recordFields(type).reduce((sum, field) => sum + minimumBytes(field.type, sizes), 0)
    default:
      return 1
  }
}
