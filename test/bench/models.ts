/** Models of any size: perceptrons with weights that are the same every time. */
import { constant, node, onnxModel, value } from '../fixtures/onnx-graphs.js'

/** `w1` and `w2` of the comparison: 30-64-32-2 and 784-32-32-32-32-10. */
export const workloads = {
  w1: { layers: [30, 64, 32, 2], features: 30, classes: 2 },
  w2: { layers: [784, 32, 32, 32, 32, 10], features: 784, classes: 10 },
} as const

/** The bytes of a model that takes `features` [batch, first] and gives `probabilities` [batch, last]. */
export const perceptron = (layers: readonly number[]): Buffer => {
  const random = seeded()
  const [width = 1] = layers
  const steps = layers.slice(1).flatMap((to, index) => {
    const from = layers[index]!
    const scale = Math.sqrt(2 / from)
    const weights = Float32Array.from({ length: from * to }, () => random() * scale)
    const last = index === layers.length - 2
    const input = index === 0 ? 'features' : `layer${index}`
    const nodes = [
      node('MatMul', [input, `weights${index}`], [`product${index}`]),
      node('Add', [`product${index}`, `bias${index}`], [`sum${index}`]),
      last ? node('Softmax', [`sum${index}`], ['probabilities']) : node('Relu', [`sum${index}`], [`layer${index + 1}`]),
    ]
    const constants = [
      constant(`weights${index}`, 'float32', [from, to], weights),
      constant(`bias${index}`, 'float32', [to], new Float32Array(to)),
    ]
    return [{ nodes, constants }]
  })
  return onnxModel({
    inputs: [value('features', 'float32', 'batch', width)],
    outputs: [value('probabilities', 'float32', 'batch', layers.at(-1) ?? 1)],
    nodes: steps.flatMap(({ nodes }) => nodes),
    constants: steps.flatMap(({ constants }) => constants),
  })
}

/** Numbers between -1 and 1, the same in every process. */
export const seeded = (seed = 12_345): (() => number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state / 0x7fffffff) * 2 - 1
  }
}
