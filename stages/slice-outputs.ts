import type { Outputs } from './ports.js'

/** Outputs of the rows `[from, to)`; numbers share memory with the whole. */
export function sliceOutputs(outputs: Outputs, from: number, to: number): Outputs {
  if (from === 0 && to === outputs.count) return outputs
  const { labels, scores, scoresWidth, values } = outputs
  const slice = (data: Float32Array, width: number) => data.subarray(from * width, to * width)
  return {
    count: to - from,
    labels: labels?.slice(from, to) ?? null,
    scores: slice(scores, scoresWidth),
    scoresWidth,
    values: new Map([...values].map(([name, { data, width }]) => [name, { data: slice(data, width), width }])),
  }
}
