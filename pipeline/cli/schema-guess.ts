/** An Avro schema that the first records of a file fit: for topics that have none yet. */
import { MillraceError } from '../../stages/errors.js'
import { inferSchema } from '../avro/infer-schema.js'
import type { InputFormat } from './input-records.js'

type Fields = Readonly<Record<string, unknown>>

/** Throws `record-invalid` for records that no schema fits. */
export const guessSchema = (records: readonly Fields[], name: string, format: InputFormat): unknown => {
  try {
    return inferSchema(name, format === 'csv' ? typedRows(records as Record<string, string>[]) : records)
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const detail = `no schema can be guessed, give one with --schema FILE.avsc: ${error.detail}`
    throw new MillraceError(error.code, detail, { cause: error })
  }
}

/** The cells of a column as what all of them are, and text otherwise; an empty one is null. */
const typedRows = (rows: readonly Readonly<Record<string, string>>[]): Fields[] => {
  const names = [...new Set(rows.flatMap(Object.keys))]
  const columns = names.map((name) => {
    const cells = rows.map((row) => row[name] ?? '').filter((cell) => cell !== '')
    return { name, read: kinds.find(({ is }) => cells.length > 0 && cells.every(is))?.read ?? String }
  })
  return rows.map((row) =>
    Object.fromEntries(columns.map(({ name, read }) => [name, row[name] ? read(row[name]) : null])),
  )
}

const kinds: readonly { readonly is: (cell: string) => boolean; readonly read: (cell: string) => unknown }[] = [
  { is: (cell) => /^(true|false)$/i.test(cell), read: (cell) => cell.toLowerCase() === 'true' },
  // Leading zeros make text of digits: a post code is no number.
  { is: (cell) => /^[+-]?(0|[1-9]\d*)?(\.\d*)?(e[+-]?\d+)?$/i.test(cell) && !Number.isNaN(Number(cell)), read: Number },
  { is: (cell) => cell.startsWith('[') && parsed(cell) !== undefined, read: (cell) => parsed(cell) },
]

const parsed = (cell: string): unknown => {
  try {
    return JSON.parse(cell)
  } catch {
    return undefined
  }
}
