/** An Avro schema that a sample of records fits: for topics that have none yet. */
import { MillraceError } from '../../stages/errors.js'

type Fields = Readonly<Record<string, unknown>>

/**
 * Whole numbers are longs, others doubles; what is null in some of the records, or missing, is nullable and null by default. `text`: values
 * are the text of cells. Throws `record-invalid` for a field that is of two kinds, or whose name Avro does not take.
 */
export const guessSchema = (records: readonly Fields[], name: string, text: boolean): unknown =>
  recordSchema(records, avroName(name), '', text)

const recordSchema = (records: readonly Fields[], name: string, path: string, text: boolean) => {
  const names = [...new Set(records.flatMap(Object.keys))]
  return {
    type: 'record',
    name,
    fields: names.map((field) => {
      const at = path === '' ? field : `${path}.${field}`
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(field)) throw refuse(`${at} is no name for a field in Avro`)
      const values = records.map((record) => (text && record[field] === '' ? null : (record[field] ?? null)))
      const there = values.filter((value) => value !== null)
      const type = typeOf(there, `${name}_${field}`, at, text)
      return there.length === values.length
        ? { name: field, type }
        : { name: field, type: ['null', type], default: null }
    }),
  }
}

const typeOf = (values: readonly unknown[], name: string, path: string, text: boolean): unknown => {
  const kinds = new Set(values.map((value) => (text ? kindOfCell(String(value)) : kindOf(value))))
  // Nothing but nulls: text takes whatever comes.
  if (kinds.size === 0) return 'string'
  if (kinds.size === 1) {
    const [kind] = kinds
    if (kind === 'array') {
      const items = values.flatMap((value) => (text ? JSON.parse(String(value)) : value) as unknown[])
      return { type: 'array', items: items.length === 0 ? 'double' : typeOf(items, `${name}_item`, `${path}[]`, false) }
    }
    return kind === 'record' ? recordSchema(values as Fields[], name, path, text) : kind
  }
  if (kinds.size === 2 && kinds.has('long') && kinds.has('double')) return 'double'
  if (text) return 'string'
  throw refuse(`${path} is ${[...kinds].join(' and ')}`)
}

const kindOf = (value: unknown): string => {
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'long' : 'double'
  if (typeof value === 'string') return 'string'
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : 'record'
}

/** Leading zeros make text of digits: a post code is no number. */
const kindOfCell = (cell: string): string => {
  if (/^(true|false)$/i.test(cell)) return 'boolean'
  if (/^-?(0|[1-9]\d{0,14})$/.test(cell)) return 'long'
  if (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) && !/^-?0\d/.test(cell)) return 'double'
  return /^\[.*\]$/s.test(cell) && isJson(cell) ? 'array' : 'string'
}

const isJson = (cell: string): boolean => {
  try {
    JSON.parse(cell)
    return true
  } catch {
    return false
  }
}

const avroName = (name: string): string => name.replace(/[^A-Za-z0-9_]+/g, '_').replace(/^(?=\d|$)/, '_')

const refuse = (what: string): MillraceError =>
  new MillraceError('record-invalid', `no schema can be guessed: ${what}; give one with --schema FILE.avsc`)
