import type { Rows, TensorData } from './ports.js'

const none: Rows = { count: 0, columns: [] }

/** Rows one after the other, column by column. A single part that has rows is handed on as it is, without a copy. */
export function concatRows(parts: readonly Rows[]): Rows {
  const filled = parts.filter((rows) => rows.count > 0)
  const first = filled[0]
  if (!first) return none
  if (filled.length === 1) return first
  let count = 0
  for (const rows of filled) count += rows.count
  return { count, columns: first.columns.map((_, i) => concatColumns(filled.map((rows) => rows.columns[i]!))) }
}

/** Columns of one tensor all have the type that the scoring plan gives it. */
function concatColumns(columns: readonly TensorData[]): TensorData {
  const first = columns[0]!
  if (Array.isArray(first)) return first.concat(...(columns.slice(1) as string[][]))
  let length = 0
  for (const column of columns) length += column.length
  const Column = first.constructor as new (length: number) => Exclude<TensorData, string[]>
  const joined = new Column(length)
  let at = 0
  for (const column of columns) {
    // The compiler cannot see that all columns are of one type.
    joined.set(column as never, at)
    at += column.length
  }
  return joined
}
