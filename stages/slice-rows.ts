import type { Rows, TensorData } from './ports.js'

/** Rows `[from, to)`: typed columns by subarray (shared memory), strings by slice. */
export function sliceRows(rows: Rows, from: number, to: number): Rows {
  if (from === 0 && to === rows.count) return rows
  return { count: to - from, columns: rows.columns.map((column) => sliceColumn(column, rows.count, from, to)) }
}

function sliceColumn(column: TensorData, count: number, from: number, to: number): TensorData {
  const width = count === 0 ? 0 : column.length / count
  return Array.isArray(column) ? column.slice(from * width, to * width) : column.subarray(from * width, to * width)
}
