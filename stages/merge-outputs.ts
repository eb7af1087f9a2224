import type { Outputs } from './ports.js'

/** Outputs of the rows from `first` on. */
export interface Piece {
  readonly first: number
  readonly outputs: Outputs
}

export const noOutputs = (count: number): Outputs => ({
  count,
  labels: null,
  scores: new Float32Array(0),
  scoresWidth: 0,
  values: new Map(),
})

/**
 * One `Outputs` of `count` rows from those of some of them; rows without a piece hold zeros and empty labels.
 * Throws when the pieces do not have the same outputs: the model is then not what its bundle says.
 */
export function mergeOutputs(count: number, pieces: readonly Piece[]): Outputs {
  const shape = pieces[0]?.outputs
  if (!shape) return noOutputs(count)
  for (const { outputs } of pieces) assertSameShape(shape, outputs)

  const labels = shape.labels && new Array<string>(count).fill('')
  const scores = new Float32Array(count * shape.scoresWidth)
  const values = new Map<string, { data: Float32Array; width: number }>()
  for (const [name, { width }] of shape.values) values.set(name, { data: new Float32Array(count * width), width })

  for (const { first, outputs } of pieces) {
    if (labels) for (let i = 0; i < outputs.count; i++) labels[first + i] = outputs.labels![i]!
    scores.set(outputs.scores, first * shape.scoresWidth)
    for (const [name, { data, width }] of outputs.values) values.get(name)!.data.set(data, first * width)
  }
  return { count, labels, scores, scoresWidth: shape.scoresWidth, values }
}

function assertSameShape(one: Outputs, other: Outputs): void {
  const same =
    (one.labels === null) === (other.labels === null) &&
    one.scoresWidth === other.scoresWidth &&
    one.values.size === other.values.size &&
    [...one.values].every(([name, { width }]) => other.values.get(name)?.width === width)
  if (!same) throw new Error('the model gives outputs of different shape for different rows')
}
