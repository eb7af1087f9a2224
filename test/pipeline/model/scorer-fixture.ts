import type { OutputBinding } from '../../../pipeline/model/outputs.js'
import type { ScorableBundle } from '../../../pipeline/model/scorer.js'
import type { Outputs, Rows, TensorData, TensorPlan, TensorType } from '../../../stages/ports.js'
import { type GraphDefinition, onnxModel } from '../../fixtures/onnx-graphs.js'

export function input(tensor: string, type: TensorType, shape: readonly number[] = []): TensorPlan {
  const width = shape.reduce((product, size) => product * size, 1)
  return { tensor, type, shape, width, fields: [{ field: tensor, width }], allowNaN: true }
}

export interface TestBundle {
  readonly inputs: readonly TensorPlan[]
  readonly outputs: Partial<OutputBinding>
  readonly model: GraphDefinition | Buffer
  readonly preprocess?: GraphDefinition
  readonly postprocess?: GraphDefinition
}

export function scorable({ inputs, outputs, model, preprocess, postprocess }: TestBundle): ScorableBundle {
  const files = new Map([['model.onnx', Buffer.isBuffer(model) ? model : onnxModel(model)]])
  if (preprocess) files.set('preprocess.onnx', onnxModel(preprocess))
  if (postprocess) files.set('postprocess.onnx', onnxModel(postprocess))
  const { labels, values = {}, ...named } = outputs
  return {
    ref: 'test@1',
    manifest: { outputs: { ...named, values: { ...values }, labels: labels && [...labels] } },
    plan: { readerSchema: {}, inputs },
    files,
  }
}

export const rows = (count: number, ...columns: TensorData[]): Rows => ({ count, columns })

/** Scores as one array a row. */
export function scoreRows({ count, scores, scoresWidth }: Outputs): number[][] {
  return Array.from({ length: count }, (_, row) => [...scores.subarray(row * scoresWidth, (row + 1) * scoresWidth)])
}
