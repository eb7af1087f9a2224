import { loanOf, type MemoryPool } from '../../stages/lent-memory.js'
import type { ScoringPlan, TensorData, TensorPlan } from '../../stages/ports.js'
import { allocate, tensorArrays } from '../../stages/tensor-data.js'

/** The column of one input tensor while a run of records is decoded; `data` is another array in each run. */
export interface Column<Data extends TensorData = TensorData> {
  readonly input: TensorPlan
  data: Data
  /** the memory of `data`; empty for strings */
  bytes: Uint8Array
}

/** bytes; less is made anew */
const worthLending = 32_768

const nothing = new Uint8Array(0)

export const createColumns = ({ inputs }: ScoringPlan): readonly Column[] =>
  inputs.map((input) => ({ input, data: allocate(input.type, 0), bytes: nothing }))

/** Makes room for `rows` rows, of which each element has to be written: it holds what was there before. */
export function openColumns(columns: readonly Column[], rows: number, pool: MemoryPool): void {
  for (const column of columns) {
    const { type, width } = column.input
    if (type === 'string') {
      column.data = allocate(type, rows * width)
      continue
    }
    const Elements = tensorArrays[type]
    const bytes = rows * width * Elements.BYTES_PER_ELEMENT
    const memory = bytes < worthLending ? new ArrayBuffer(bytes) : pool.take(bytes)
    column.data = new Elements(memory, 0, rows * width)
    column.bytes = new Uint8Array(memory)
  }
}

/** Hands over the first `rows` rows, exactly as long as they are; each holds one of the memory that was lent. */
export function takeColumns(columns: readonly Column[], rows: number): TensorData[] {
  return columns.map((column) => {
    const { input, data } = column
    column.data = allocate(input.type, 0)
    column.bytes = nothing
    const length = rows * input.width
    if (Array.isArray(data)) return data.length === length ? data : data.slice(0, length)
    loanOf(data)?.hold(rows)
    return data.length === length ? data : data.subarray(0, length)
  })
}
