import { InferenceError, type Outputs } from '../../stages/ports.js'
import { UnfitError } from './chain.js'

/** Which tensors are what: `outputs` of the manifest. */
export interface OutputBinding {
  readonly label?: string
  readonly scores?: string
  /** name in the prediction → tensor */
  readonly values: Readonly<Record<string, string>>
  /** class names by index */
  readonly labels?: readonly string[]
}

/** What one output tensor says of some rows: `width` elements a row, row after row. */
export interface RowTensor {
  /** element type as ONNX Runtime names it */
  readonly type: string
  readonly data: ArrayLike<number | bigint | string>
  readonly width: number
}

/** The tensors that have to be fetched for a binding. */
export function tensorsOf(binding: OutputBinding): string[] {
  const named = [binding.label, binding.scores, ...Object.values(binding.values)]
  return [...new Set(named.filter((tensor) => tensor !== undefined))]
}

/**
 * Turns output tensors into `Outputs`. Labels: strings as they are; integers through the class names where there are some and the integer
 * is one's index, else in decimal; without a label tensor the class name of the greatest score. Scores and values become float32 in buffers
 * of their own, ready to transfer. Throws `UnfitError` where types or widths can never fit, `InferenceError` where these rows' values do not.
 */
export function interpretOutputs(
  binding: OutputBinding,
  tensors: ReadonlyMap<string, RowTensor>,
  count: number,
): Outputs {
  const scores = binding.scores === undefined ? undefined : floats(binding.scores, tensors)
  const values = new Map(Object.entries(binding.values).map(([name, tensor]) => [name, floats(tensor, tensors)]))
  let labels: string[] | null = null
  if (binding.label !== undefined) labels = labelsFromTensor(binding.label, tensors, binding.labels)
  else if (binding.labels && scores) labels = labelsFromScores(scores, binding.labels, count)
  return { count, labels, scores: scores?.data ?? new Float32Array(0), scoresWidth: scores?.width ?? 0, values }
}

function rowTensor(name: string, tensors: ReadonlyMap<string, RowTensor>): RowTensor {
  const tensor = tensors.get(name)
  if (!tensor) throw new UnfitError(`the model did not return '${name}'`)
  return tensor
}

function floats(name: string, tensors: ReadonlyMap<string, RowTensor>): { data: Float32Array; width: number } {
  const { type, data, width } = rowTensor(name, tensors)
  if (type === 'string') throw new UnfitError(`the output '${name}' holds strings; only a label may`)
  if (type === 'float16' || type === 'uint4' || type === 'int4') {
    throw new UnfitError(`the output '${name}' is ${type}; cast it to float in postprocess.onnx`)
  }
  if (type === 'int64' || type === 'uint64') return { data: Float32Array.from(data, Number), width }
  return { data: new Float32Array(data as ArrayLike<number>), width }
}

function labelsFromTensor(
  name: string,
  tensors: ReadonlyMap<string, RowTensor>,
  classNames: readonly string[] | undefined,
): string[] {
  const { type, data, width } = rowTensor(name, tensors)
  if (width !== 1)
    throw new UnfitError(`the label '${name}' has ${width} values a row; name it under outputs.values instead`)
  if (type === 'string') return Array.from(data as ArrayLike<string>)
  return Array.from(data as ArrayLike<number | bigint>, (value) => {
    const named = classNames?.[Number(value)]
    if (named !== undefined) return named
    return type === 'bool' ? String(value !== 0) : String(value)
  })
}

function labelsFromScores(
  scores: { data: Float32Array; width: number },
  classNames: readonly string[],
  count: number,
): string[] {
  const { data, width } = scores
  if (count > 0 && width !== classNames.length) {
    throw new UnfitError(`the bundle names ${classNames.length} classes, but the scores have ${width} columns`)
  }
  const labels = new Array<string>(count)
  for (let row = 0; row < count; row++) {
    let best = 0
    for (let column = 0; column < width; column++) {
      const score = data[row * width + column] as number
      if (Number.isNaN(score)) throw new InferenceError('a score is NaN, so no class is the likeliest')
      if (score > (data[row * width + best] as number)) best = column
    }
    labels[row] = classNames[best] as string
  }
  return labels
}
