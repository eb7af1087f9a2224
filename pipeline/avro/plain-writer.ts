import type avro from 'avsc'
import type { Sink } from './sink.js'
import {
  arrayItems,
  enumSymbols,
  type Field,
  fixedSize,
  isNull,
  isUnion,
  mapValues,
  recordFields,
  unionBranches,
} from './types.js'

/** Writes a plain value; `path` is where it stands. Throws `Unfit`. */
export type Write = (sink: Sink, value: unknown, path: string) => void

/** A value that its type does not take. */
export class Unfit extends Error {
  override readonly name = 'Unfit'
  constructor(path: string, expected: string, value: unknown) {
    super(`${path ? `${path}: ` : ''}${shown(value)} where ${expected} is needed`)
  }
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'bigint') return String(value)
  const text = JSON.stringify(value) ?? typeof value
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/**
 * Compiles a writer of plain values, as people write JSON: the branch of a union need not be named (but may be), fields that are missing take
 * their defaults or null where they may be null, fields that the schema lacks are left out, bytes are base64. Its counterpart is
 * `compilePlain`: what that reads, this writes.
 */
export function compileWriter(type: avro.Type, compiled: Map<avro.Type, Write> = new Map()): Write {
  const known = compiled.get(type)
  if (known) return known
  // A record that contains itself finds this in its place while it is compiled.
  compiled.set(type, (sink, value, path) => compiled.get(type)!(sink, value, path))
  const write = writerOf(type, compiled)
  compiled.set(type, write)
  return write
}

function writerOf(type: avro.Type, compiled: Map<avro.Type, Write>): Write {
  if (isUnion(type)) return union(unionBranches(type), compiled)
  switch (type.typeName) {
    case 'null':
      return (_, value, path) => {
        if (value !== null && value !== undefined) throw new Unfit(path, 'null', value)
      }
    case 'boolean':
      return (sink, value, path) => {
        if (typeof value !== 'boolean') throw new Unfit(path, 'true or false', value)
        sink.byte(value ? 1 : 0)
      }
    case 'int':
      return (sink, value, path) => {
        if (typeof value !== 'number' || value !== (value | 0)) throw new Unfit(path, 'an int', value)
        sink.long(value)
      }
    case 'long':
      return long
    case 'float':
      return (sink, value, path) => sink.float(numberOf(value, path))
    case 'double':
      return (sink, value, path) => sink.double(numberOf(value, path))
    case 'string':
      return (sink, value, path) => {
        if (typeof value !== 'string') throw new Unfit(path, 'a string', value)
        sink.text(value)
      }
    case 'bytes':
      return (sink, value, path) => {
        const bytes = bytesOf(value, path)
        sink.long(bytes.length)
        sink.raw(bytes)
      }
    case 'fixed': {
      const size = fixedSize(type)
      return (sink, value, path) => {
        const bytes = bytesOf(value, path)
        if (bytes.length !== size) throw new Unfit(path, `base64 of ${size} bytes`, value)
        sink.raw(bytes)
      }
    }
    case 'enum':
      return symbol(enumSymbols(type))
    case 'array':
      return array(compileWriter(arrayItems(type), compiled))
    case 'map':
      return map(compileWriter(mapValues(type), compiled))
    case 'record':
    case 'error':
      return record(recordFields(type), compiled)
    default:
      throw new Error(`a type that Avro does not have: ${type.typeName}`)
  }
}

const long: Write = (sink, value, path) => {
  if (Number.isSafeInteger(value)) return sink.long(value as number)
  // Beyond 2^53 JSON has only strings for whole numbers.
  if (typeof value !== 'bigint' && !(typeof value === 'string' && /^-?\d{1,19}$/.test(value)))
    throw new Unfit(path, 'a whole number', value)
  const big = BigInt(value)
  if (BigInt.asIntN(64, big) !== big) throw new Unfit(path, 'a number of 64 bits', value)
  sink.bigLong(big)
}

/** JSON has no word for what is not finite. */
const notFinite: ReadonlySet<unknown> = new Set(['NaN', 'Infinity', '-Infinity'])

function numberOf(value: unknown, path: string): number {
  if (typeof value === 'number') return value
  if (notFinite.has(value)) return Number(value)
  throw new Unfit(path, 'a number', value)
}

function bytesOf(value: unknown, path: string): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value) && value.length % 4 === 0)
    return Buffer.from(value, 'base64')
  throw new Unfit(path, 'base64', value)
}

function symbol(symbols: readonly string[]): Write {
  const indices = new Map<unknown, number>(symbols.map((one, index) => [one, index]))
  return (sink, value, path) => {
    const index = indices.get(value)
    if (index === undefined) throw new Unfit(path, `one of ${symbols.join(', ')}`, value)
    sink.long(index)
  }
}

function array(item: Write): Write {
  return (sink, value, path) => {
    if (!Array.isArray(value)) throw new Unfit(path, 'an array', value)
    if (value.length > 0) sink.long(value.length)
    for (let i = 0; i < value.length; i++) item(sink, value[i], `${path}[${i}]`)
    sink.byte(0)
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const below = (path: string, name: string): string => (path ? `${path}.${name}` : name)

function map(item: Write): Write {
  return (sink, value, path) => {
    if (!isObject(value)) throw new Unfit(path, 'an object', value)
    const entries = Object.entries(value)
    if (entries.length > 0) sink.long(entries.length)
    for (const [key, one] of entries) {
      sink.text(key)
      item(sink, one, below(path, key))
    }
    sink.byte(0)
  }
}

function record(fields: readonly Field[], compiled: Map<avro.Type, Write>): Write {
  const writes = fields.map((field) => ({
    name: field.name,
    write: compileWriter(field.type, compiled),
    absent: absentBytes(field),
  }))
  return (sink, value, path) => {
    if (!isObject(value)) throw new Unfit(path, 'an object', value)
    for (const { name, write, absent } of writes) {
      const one = Object.hasOwn(value, name) ? value[name] : undefined
      if (one === undefined && absent) sink.raw(absent)
      else write(sink, one, below(path, name))
    }
  }
}

/** What stands for a field that is not there. */
function absentBytes(field: Field): Uint8Array | undefined {
  const value = field.defaultValue()
  return value === undefined ? undefined : field.type.toBuffer(value)
}

function union(types: readonly avro.Type[], compiled: Map<avro.Type, Write>): Write {
  const branches = types.map((type) => ({ name: type.branchName, write: compileWriter(type, compiled) }))
  const expected = types.map((type) => (isNull(type) ? 'null' : type.typeName)).join(' or ')
  return (sink, value, path) => {
    const { at } = sink
    const fits = (index: number, one: unknown): boolean => {
      try {
        sink.at = at
        sink.long(index)
        branches[index]!.write(sink, one, path)
        return true
      } catch (error) {
        if (error instanceof Unfit) return false
        throw error
      }
    }
    for (let index = 0; index < branches.length; index++) if (fits(index, value)) return
    // As Avro's own JSON has it: {"string": "x"}.
    if (isObject(value))
      for (const [index, { name }] of branches.entries())
        if (name !== undefined && Object.hasOwn(value, name) && fits(index, value[name])) return
    sink.at = at
    throw new Unfit(path, expected, value)
  }
}
