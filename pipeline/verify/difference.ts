/** Whether a prediction is what the model says again, number by number. */
import type { Outputs } from '../../stages/ports.js'
import type { Prediction } from '../messages.js'

/** What is different, in one line; undefined when nothing is. `tolerance` 0: to the last bit. */
export function differenceOf(said: Prediction, outputs: Outputs, row: number, tolerance: number): string | undefined {
  const label = outputs.labels?.[row] ?? null
  if (said.label !== label) return `label ${JSON.stringify(said.label)}, recomputed ${JSON.stringify(label)}`
  const { scores, scoresWidth } = outputs
  const scoresDiffer = numbersDiffer('scores', said.scores, scores, row * scoresWidth, scoresWidth, tolerance)
  if (scoresDiffer) return scoresDiffer
  for (const [name, { data, width }] of outputs.values) {
    const found = said.values[name]
    if (!found) return `no value ${name}`
    const differ = numbersDiffer(name, found, data, row * width, width, tolerance)
    if (differ) return differ
  }
  const more = Object.keys(said.values).find((name) => !outputs.values.has(name))
  return more === undefined ? undefined : `a value ${more}, which the model does not give`
}

function numbersDiffer(
  name: string,
  said: readonly number[],
  data: Float32Array,
  from: number,
  width: number,
  tolerance: number,
): string | undefined {
  if (said.length !== width) return `${name} has ${said.length} numbers, recomputed ${width}`
  for (let i = 0; i < width; i++) {
    const [found, wanted] = [said[i]!, data[from + i]!]
    const same = Object.is(found, wanted) || Math.abs(found - wanted) <= tolerance
    if (!same) return `${name}[${i}] is ${found}, recomputed ${wanted}`
  }
  return undefined
}
