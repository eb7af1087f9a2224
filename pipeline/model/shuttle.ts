import { JoinedRows } from '../../stages/concat-rows.js'
import type { Rows, TensorPlan } from '../../stages/ports.js'
import { tensorArrays } from '../../stages/tensor-data.js'
import type { NumericData } from './tensors.js'

const smallestBytes = 4_096

/**
 * The memory in which rows travel to an inference thread and which comes back with the answer: a call makes none as long as one that is large
 * enough has come back. There are never more buffers than were once under way together.
 */
export class Shuttle {
  private readonly free: ArrayBuffer[] = []

  constructor(private readonly inputs: readonly TensorPlan[]) {}

  /** Copies of the columns in memory to be transferred; strings as they are. The rows stay the caller's. */
  load(rows: Rows): { columns: (NumericData | string[])[]; buffers: ArrayBuffer[] } {
    const buffers: ArrayBuffer[] = []
    const parts = rows instanceof JoinedRows ? rows.parts : [rows]
    const columns = this.inputs.map(({ type, width }, index) => {
      if (type === 'string') return rows.columns[index] as string[]
      const Column = tensorArrays[type]
      const length = rows.count * width
      const buffer = this.take(length * Column.BYTES_PER_ELEMENT)
      buffers.push(buffer)
      const column: NumericData = new Column(buffer, 0, length)
      let at = 0
      for (const part of parts) {
        const piece = part.columns[index] as NumericData
        column.set(piece as never, at)
        at += piece.length
      }
      return column
    })
    return { columns, buffers }
  }

  /** What has come back. */
  unload(buffers: readonly ArrayBuffer[]): void {
    this.free.push(...buffers)
  }

  private take(bytes: number): ArrayBuffer {
    const fitting = this.free.findIndex(({ byteLength }) => byteLength >= bytes)
    // One that is too small makes room for a larger.
    const [buffer] = this.free.splice(Math.max(0, fitting), 1)
    if (buffer && buffer.byteLength >= bytes) return buffer
    return new ArrayBuffer(Math.max(smallestBytes, 2 ** Math.ceil(Math.log2(Math.max(1, bytes)))))
  }
}
