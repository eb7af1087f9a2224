import { afterEach, describe, expect, test } from 'vitest'
import { createScorer } from '../../../pipeline/model/scorer.js'
import type { Scorer, TensorType } from '../../../stages/ports.js'
import { elementType, node, value } from '../../fixtures/onnx-graphs.js'
import { input, rows, scorable, type TestBundle } from './scorer-fixture.js'

let scorer: Scorer | undefined
afterEach(async () => {
  await scorer?.close()
  scorer = undefined
})
const open = async (bundle: TestBundle) => {
  scorer = await createScorer(scorable(bundle))
  return scorer
}

describe('labels', () => {
  const labelled = (type: TensorType, labels?: string[]): TestBundle => ({
    inputs: [input('x', 'float32')],
    outputs: { label: 'label', labels },
    model: {
      inputs: [value('x', 'float32', 'N')],
      outputs: [value('label', type, 'N')],
      nodes: [node('Cast', ['x'], ['label'], { to: elementType(type) })],
    },
  })
  test('an integer label is its decimal string', async () => {
    const { score } = await open(labelled('int64'))
    expect((await score(rows(3, Float32Array.of(7, -2, 1e15)))).labels).toEqual(['7', '-2', '999999986991104'])
  })
  test('an integer label is the name of its class where there is one, else its decimal string', async () => {
    const { score } = await open(labelled('int32', ['cat', 'dog']))
    expect((await score(rows(4, Float32Array.of(1, 0, 2, -1)))).labels).toEqual(['dog', 'cat', '2', '-1'])
  })
  test('a float label that is whole reads as an integer', async () => {
    const { score } = await open(labelled('float64'))
    expect((await score(rows(2, Float32Array.of(4, 0.5)))).labels).toEqual(['4', '0.5'])
  })
  test('a boolean label is true or false, or the name of its class', async () => {
    const plain = await open(labelled('bool'))
    expect((await plain.score(rows(2, Float32Array.of(1, 0)))).labels).toEqual(['true', 'false'])
    await plain.close()
    const { score } = await open(labelled('bool', ['no', 'yes']))
    expect((await score(rows(2, Float32Array.of(1, 0)))).labels).toEqual(['yes', 'no'])
  })
  const softmax = (labels: string[]): TestBundle => ({
    inputs: [input('x', 'float32', [3])],
    outputs: { scores: 'p', labels },
    model: {
      inputs: [value('x', 'float32', 'N', 3)],
      outputs: [value('p', 'float32', 'N', 3)],
      nodes: [node('Softmax', ['x'], ['p'])],
    },
  })
  test('without a label tensor the class of the greatest score is the label', async () => {
    const { score } = await open(softmax(['a', 'b', 'c']))
    expect((await score(rows(2, Float32Array.of(0, 5, 1, 2, 1, 0)))).labels).toEqual(['b', 'a'])
  })
  test('scores that are NaN have no greatest: the rows are at fault', async () => {
    const { score } = await open(softmax(['a', 'b', 'c']))
    await expect(score(rows(1, Float32Array.of(0, Number.NaN, 1)))).rejects.toMatchObject({ name: 'InferenceError' })
  })
  test('more class names than scores is unfit', async () => {
    await expect(open(softmax(['a', 'b', 'c', 'd']))).rejects.toMatchObject({
      code: 'model-unfit',
      message: expect.stringContaining('4 classes, but the scores have 3 columns'),
    })
  })
})
