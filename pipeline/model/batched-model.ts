import { InferenceError, type Outputs, type TensorData, type TensorPlan } from '../../stages/ports.js'
import { UnfitError } from './chain.js'
import { interpretOutputs, type OutputBinding, type RowTensor } from './outputs.js'
import { perRow, type SessionChain } from './session-chain.js'
import { type NumericData, sampleColumn, takeRows } from './tensors.js'

/**
 * A chain of sessions that takes any number of rows, whatever batch its graphs were exported with. Which batch they really take is found
 * out by the warm-up (`probe`): a declared one is kept to, its last run padded with copies of the last row; where none is declared but a run of
 * two rows fails or does not answer row by row, rows go one at a time.
 */
export class BatchedModel {
  private constructor(
    private readonly chain: SessionChain,
    private readonly inputs: readonly TensorPlan[],
    private readonly binding: OutputBinding,
    /** rows per run; Infinity when the model takes any number */
    readonly batch: number,
  ) {}

  /**
   * Warms the chain up with rows of zeros (or the bundle's defaults) and, when it does not take these, of ones. Throws `UnfitError` when no
   * batch size works.
   */
  static async probe(
    chain: SessionChain,
    inputs: readonly TensorPlan[],
    binding: OutputBinding,
  ): Promise<BatchedModel> {
    const declared = chain.declaredBatches
    const candidates = declared.length > 0 ? declared : [Number.POSITIVE_INFINITY, 1]
    let first: unknown
    for (const filler of [0, 1] as const) {
      for (const batch of candidates) {
        const model = new BatchedModel(chain, inputs, binding, batch)
        try {
          // One row and two: an output without a batch dimension may have the size of one of them by chance, never of both.
          for (const rows of batch === Number.POSITIVE_INFINITY ? [1, 2] : [batch]) await model.tryRows(rows, filler)
          return model
        } catch (error) {
          if (!(error instanceof InferenceError || error instanceof UnfitError)) throw error
          first ??= error
        }
      }
    }
    throw first instanceof UnfitError
      ? first
      : new UnfitError(`it fails on a row of zeros: ${(first as Error).message}`)
  }

  private async tryRows(rows: number, filler: 0 | 1): Promise<void> {
    const columns = this.inputs.map((input) => sampleColumn(input, rows, filler))
    const tensors = await this.run(columns, rows)
    if (this.batch === Number.POSITIVE_INFINITY) {
      for (const [name, tensor] of tensors) requireBatchDimension(name, tensor.dims, rows)
    }
    interpretOutputs(this.binding, rowTensors(tensors, rows), rows)
  }

  private run(columns: readonly TensorData[], rows: number) {
    return this.chain.run(columns, rows)
  }

  /** Throws `InferenceError` when the model fails on these rows or its outputs cannot be told apart by row. */
  async score(columns: readonly TensorData[], count: number): Promise<Outputs> {
    const size = Math.min(this.batch, count)
    const runs: { tensors: Map<string, RowTensor>; count: number }[] = []
    for (let first = 0; first < count; first += size) {
      const taken = Math.min(size, count - first)
      const padded = this.batch === Number.POSITIVE_INFINITY ? taken : this.batch
      const part = columns.map((column, i) =>
        takeRows(column, (this.inputs[i] as TensorPlan).width, first, taken, padded),
      )
      runs.push({ tensors: rowTensors(await this.run(part, padded), padded), count: taken })
    }
    return interpretOutputs(this.binding, joinRuns(runs, count), count)
  }
}

function requireBatchDimension(name: string, dims: readonly number[], rows: number): void {
  if (dims[0] === rows) return
  throw new UnfitError(`for ${rows} row(s) the output '${name}' has the shape [${dims.join(', ')}]`)
}

function rowTensors(tensors: Awaited<ReturnType<SessionChain['run']>>, rows: number): Map<string, RowTensor> {
  const result = new Map<string, RowTensor>()
  for (const [name, tensor] of tensors) {
    const said = perRow(tensor, rows)
    if (!said)
      throw new InferenceError(`for ${rows} rows the output '${name}' has the shape [${tensor.dims.join(', ')}]`)
    result.set(name, said)
  }
  return result
}

/** The outputs of consecutive runs as if they were one; what was said of padding is left out. */
function joinRuns(
  runs: readonly { readonly tensors: ReadonlyMap<string, RowTensor>; readonly count: number }[],
  count: number,
): ReadonlyMap<string, RowTensor> {
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
