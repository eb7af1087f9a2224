import type { ScoringPlan, TensorData, TensorPlan } from '../../stages/ports.js'
import { allocate } from '../../stages/tensor-data.js'

/** The column of one input tensor while a run of records is decoded; `data` is another array in each run. */
export interface Column<Data extends TensorData = TensorData> {
  readonly input: TensorPlan
  data: Data
  /** the memory of `data`; empty for strings */
  bytes: Uint8Array
}

const nothing = new Uint8Array(0)

export const createColumns = ({ inputs }: ScoringPlan): readonly Column[] =>
  inputs.map((input) => ({ input, data: allocate(input.type, 0), bytes: nothing }))

/** Makes room for `rows` rows. */
export function openColumns(columns: readonly Column[], rows: number): void {
  for (const column of columns) {
    column.data = allocate(column.input.type, rows * column.input.width)
    column.bytes = Array.isArray(column.data) ? nothing : new Uint8Array(column.data.buffer)
  }
}

/** Hands over the first `rows` rows, exactly as long as they are. */
export function takeColumns(columns: readonly Column[], rows: number): TensorData[] {
  return columns.map((column) => {
    const { input, data } = column
    column.data = allocate(input.type, 0)
    column.bytes = nothing
    const length = rows * input.width
    return data.length === length ? data : data.slice(0, length)
  })
}
