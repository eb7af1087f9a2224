import type { Tensor } from 'onnxruntime-node'
import { InferenceError, type Outputs, type TensorData, type TensorPlan } from '../../stages/ports.js'
import { UnfitError } from './chain.js'
import { interpretOutputs, type OutputBinding, type RowTensor } from './outputs.js'
import { perRow, type SessionChain } from './session-chain.js'
import { type NumericData, sampleColumn, takeRows } from './tensors.js'

/**
 * A chain of sessions that takes any number of rows, whatever batch its graphs were exported with. Which batch they really take is found
 * out on a row: a declared one is kept to, its last run padded with copies of the last row; where none is declared but a run of two rows fails
 * or does not answer row by row, rows go one at a time.
 */
export class BatchedModel {
  /** rows per run; Infinity when the model takes any number; undefined until a row has shown it */
  private batch: number | undefined

  constructor(
    private readonly chain: SessionChain,
    private readonly inputs: readonly TensorPlan[],
    private readonly binding: OutputBinding,
  ) {}

  /**
   * Runs a row of zeros (or of the bundle's defaults) or, when the model does not take that, of ones. A model that takes neither is not
   * refused: an encoder of categories may know neither. Its batch is then found out on the first rows that come. Throws `UnfitError` when
   * the model does not do what the bundle says.
   */
  async warmUp(): Promise<void> {
    for (const filler of [0, 1] as const) {
      try {
        this.batch = await this.findBatch(this.inputs.map((input) => sampleColumn(input, filler)))
        return
      } catch (error) {
        if (!(error instanceof InferenceError)) throw error
      }
    }
  }

  /** Throws `InferenceError` when the model fails on these rows or its outputs cannot be told apart by row. */
  async score(columns: readonly TensorData[], count: number): Promise<Outputs> {
    this.batch ??= await this.findBatch(this.takeRows(columns, 0, 1, 1))
    const size = Math.min(this.batch, count)
    const runs: Run[] = []
    for (let first = 0; first < count; first += size) {
      const taken = Math.min(size, count - first)
      // Never a row by itself: ONNX Runtime multiplies a single row by another kernel, whose last bits differ from the same row in company.
      const padded = this.batch === Number.POSITIVE_INFINITY ? Math.max(2, taken) : this.batch
      const tensors = await this.chain.run(this.takeRows(columns, first, taken, padded), padded)
      runs.push({ tensors: rowTensors(tensors, padded), count: taken })
    }
    return interpretOutputs(this.binding, joinRuns(runs, count), count)
  }

  /** The first batch size that works for copies of one row. Throws what went wrong, an `InferenceError` first: the row may be to blame. */
  private async findBatch(row: readonly TensorData[]): Promise<number> {
    const declared = this.chain.declaredBatches
    const failures: unknown[] = []
    for (const batch of declared.length > 0 ? declared : [Number.POSITIVE_INFINITY, 1]) {
      try {
        // One row and two: an output without a batch dimension may have the size of one of them by chance, never of both.
        for (const rows of batch === Number.POSITIVE_INFINITY ? [1, 2] : [batch]) await this.tryRows(row, rows, batch)
        return batch
      } catch (error) {
        if (!(error instanceof InferenceError || error instanceof UnfitError)) throw error
        failures.push(error)
      }
    }
    throw failures.find((error) => error instanceof InferenceError) ?? failures[0]
  }

  private async tryRows(row: readonly TensorData[], rows: number, batch: number): Promise<void> {
    const tensors = await this.chain.run(this.takeRows(row, 0, 1, rows), rows)
    for (const [name, { dims }] of tensors) {
      if (batch !== 1 && dims[0] !== rows) throw new UnfitError(unlikeRows(name, dims, rows))
    }
    interpretOutputs(this.binding, rowTensors(tensors, rows), rows)
  }

  private takeRows(columns: readonly TensorData[], first: number, count: number, padTo: number): TensorData[] {
    return columns.map((column, i) => takeRows(column, (this.inputs[i] as TensorPlan).width, first, count, padTo))
  }
}

interface Run {
  readonly tensors: ReadonlyMap<string, RowTensor>
  /** rows that were asked for, without padding */
  readonly count: number
}

const unlikeRows = (name: string, dims: readonly number[], rows: number): string =>
  `for ${rows} row${rows === 1 ? '' : 's'} the output '${name}' has the shape [${dims.join(', ')}]`

function rowTensors(tensors: ReadonlyMap<string, Tensor>, rows: number): Map<string, RowTensor> {
  const result = new Map<string, RowTensor>()
  for (const [name, tensor] of tensors) {
    const said = perRow(tensor, rows)
    if (!said) throw new InferenceError(unlikeRows(name, tensor.dims, rows))
    result.set(name, said)
  }
  return result
}

/** The outputs of consecutive runs as if they were one; what was said of padding is left out. */
function joinRuns(runs: readonly Run[], count: number): ReadonlyMap<string, RowTensor> {
  const [only] = runs
  if (!only) return new Map()
  const joined = new Map<string, RowTensor>()
  for (const [name, { type, width, data }] of only.tensors) {
    if (runs.length === 1 && data.length === count * width) {
      joined.set(name, { type, width, data })
      continue
    }
    const all = type === 'string' ? new Array<string>(count * width) : emptyLike(data, count * width)
    let at = 0
    for (const run of runs) {
      const part = run.tensors.get(name) as RowTensor
      if (part.width !== width)
        throw new InferenceError(`the output '${name}' has ${width} values for one row and ${part.width} for another`)
      for (let i = 0; i < run.count * width; i++) all[at++] = part.data[i] as never
    }
    joined.set(name, { type, width, data: all as RowTensor['data'] })
  }
  return joined
}

function emptyLike(data: RowTensor['data'], length: number): NumericData {
  return new (data.constructor as new (length: number) => NumericData)(length)
}
