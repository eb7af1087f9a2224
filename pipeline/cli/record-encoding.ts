/** Plain records, from JSON or from the text of a CSV file, as framed Avro. */
import type avro from 'avsc'
import { MillraceError } from '../../stages/errors.js'
import { frame } from '../avro/framing.js'
import {
  arrayItems,
  enumSymbols,
  fixedSize,
  isNull,
  isRecord,
  isUnion,
  mapValues,
  parseType,
  recordFields,
  unionBranches,
} from '../avro/types.js'

export interface RecordEncoder {
  /** Throws `record-invalid`, naming the field. */
  encode(fields: Readonly<Record<string, unknown>>): Buffer
  /** fields that records have and the schema has not: they are left out */
  readonly leftOut: ReadonlySet<string>
}

/** `path` is for messages; `undefined` where a field is missing. */
type Conform = (value: unknown, path: string) => unknown

/** `text`: values are the text of cells, an empty one is null where the schema allows that. Throws `record-invalid` for no schema of a record. */
export const createRecordEncoder = (schema: unknown, schemaId: number, text: boolean): RecordEncoder => {
  let type: avro.Type
  try {
    // Branches by name: so a value of a union says which it is.
    type = parseType(schema, { wrapUnions: true })
  } catch (cause) {
    throw new MillraceError('record-invalid', `the schema: ${(cause as Error).message}`, { cause })
  }
  if (!isRecord(type)) throw new MillraceError('record-invalid', `the schema is ${type.typeName}, not a record`)
  const known = new Set(recordFields(type).map(({ name }) => name))
  const leftOut = new Set<string>()
  const conform = conformRecord(type, text, new Map())
  return {
    leftOut,
    encode(fields) {
      for (const name in fields) if (!known.has(name)) leftOut.add(name)
      return frame(schemaId, type.toBuffer(conform(fields, '')))
    },
  }
}

const wrong = (value: unknown, path: string, wanted: string): MillraceError => {
  const given = value === undefined ? 'nothing' : JSON.stringify(value)
  return new MillraceError('record-invalid', `${path}: ${given.slice(0, 60)} is not ${wanted}`)
}

const conformOf = (type: avro.Type, text: boolean, seen: Map<avro.Type, Conform>): Conform => {
  if (isUnion(type)) return conformUnion(type, text, seen)
  if (isRecord(type)) return conformRecord(type, text, seen)
  switch (type.typeName) {
    case 'null':
      return (value, path) => {
        if (value === null || (text && value === '')) return null
        throw wrong(value, path, 'null')
      }
    case 'boolean':
      return (value, path) => {
        if (typeof value === 'boolean') return value
        if (text && /^(true|1)$/i.test(String(value))) return true
        if (text && /^(false|0)$/i.test(String(value))) return false
        throw wrong(value, path, 'true or false')
      }
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return conformNumber(type.typeName, text)
    case 'enum':
      return (value, path) => {
        if (enumSymbols(type).includes(value as string)) return value
        throw wrong(value, path, `one of ${enumSymbols(type).join(', ')}`)
      }
    case 'bytes':
    case 'fixed':
      return (value, path) => {
        const size = type.typeName === 'fixed' ? fixedSize(type) : undefined
        // Avro's JSON encoding: a character a byte.
        if (typeof value === 'string' && /^[\0-\xff]*$/.test(value) && (size ?? value.length) === value.length)
          return Buffer.from(value, 'latin1')
        throw wrong(value, path, size === undefined ? 'bytes' : `${size} bytes`)
      }
    case 'array':
      return conformArray(type, text, seen)
    case 'map':
      return conformMap(type, text, seen)
    default:
      return (value, path) => {
        if (typeof value === 'string') return value
        throw wrong(value, path, 'text')
      }
  }
}

const conformNumber = (typeName: string, text: boolean): Conform => {
  const whole = typeName === 'int' || typeName === 'long'
  const most = typeName === 'int' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER
  const named: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity, '-Infinity': -Infinity }
  return (value, path) => {
    let number = value
    if (typeof value === 'string' && !whole && value in named) number = named[value]
    else if (text && typeof value === 'string' && value.trim() !== '') number = Number(value)
    const fits =
      typeof number === 'number' &&
      (whole ? Number.isInteger(number) && number <= most && number >= -most - (typeName === 'int' ? 1 : 0) : true)
    if (!fits || (Number.isNaN(number) && value !== 'NaN'))
      throw wrong(value, path, whole ? 'a whole number that fits' : 'a number')
    return number
  }
}

/** An array or a map in a cell is JSON. */
const structured = (value: unknown, text: boolean): unknown => {
  if (!text || typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

const conformArray = (type: avro.Type, text: boolean, seen: Map<avro.Type, Conform>): Conform => {
  const item = conformOf(arrayItems(type), text, seen)
  return (value, path) => {
    const items = structured(value, text)
    if (!Array.isArray(items)) throw wrong(value, path, 'a list')
    return items.map((one, index) => item(one, `${path}[${index}]`))
  }
}

const conformMap = (type: avro.Type, text: boolean, seen: Map<avro.Type, Conform>): Conform => {
  const inner = conformOf(mapValues(type), text, seen)
  return (value, path) => {
    const map = structured(value, text)
    if (typeof map !== 'object' || map === null || Array.isArray(map)) throw wrong(value, path, 'a map')
    return Object.fromEntries(Object.entries(map).map(([name, one]) => [name, inner(one, `${path}.${name}`)]))
  }
}

const conformRecord = (type: avro.Type, text: boolean, seen: Map<avro.Type, Conform>): Conform => {
  const known = seen.get(type)
  if (known) return known
  const fields: { name: string; conform: Conform; optional: boolean }[] = []
  const conform: Conform = (value, path) => {
    const record = structured(value, text)
    if (typeof record !== 'object' || record === null || Array.isArray(record)) throw wrong(value, path, 'a record')
    const fitted: Record<string, unknown> = {}
    for (const { name, conform, optional } of fields) {
      const one = Object.hasOwn(record, name) ? (record as Record<string, unknown>)[name] : undefined
      const at = path === '' ? name : `${path}.${name}`
      // avsc writes the default for what is not there.
      if (one !== undefined) fitted[name] = conform(one, at)
      else if (!optional) throw new MillraceError('record-invalid', `${at} is missing`)
    }
    return fitted
  }
  // Known before its fields are: a schema may contain itself.
  seen.set(type, conform)
  for (const field of recordFields(type))
    fields.push({
      name: field.name,
      conform: conformOf(field.type, text, seen),
      optional: field.defaultValue() !== undefined,
    })
  return conform
}

const conformUnion = (type: avro.Type, text: boolean, seen: Map<avro.Type, Conform>): Conform => {
  const branches = unionBranches(type)
  const nullable = branches.some(isNull)
  const others = branches
    .filter((branch) => !isNull(branch))
    .map((branch) => ({ name: branch.branchName!, conform: conformOf(branch, text, seen) }))
  return (value, path) => {
    if (nullable && (value === null || (text && value === ''))) return null
    for (const { name, conform } of others) {
      // As Avro's JSON encoding has it: {"string": "x"}.
      const wrapped = typeof value === 'object' && value !== null && Object.keys(value).length === 1 && name in value
      const inner = wrapped ? (value as Record<string, unknown>)[name] : value
      if (others.length === 1) return { [name]: conform(inner, path) }
      try {
        return { [name]: conform(inner, path) }
      } catch {
        // perhaps the next one
      }
    }
    throw wrong(value, path, branches.map((branch) => branch.branchName).join(' or '))
  }
}
