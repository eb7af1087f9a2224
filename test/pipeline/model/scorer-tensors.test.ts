import { afterEach, describe, expect, test } from 'vitest'
import { createScorer } from '../../../pipeline/model/scorer.js'
import type { Scorer, TensorData, TensorType } from '../../../stages/ports.js'
import { constant, elementType, node, value } from '../../fixtures/onnx-graphs.js'
import { input, rows, scorable, scoreRows, type TestBundle } from './scorer-fixture.js'

let scorer: Scorer | undefined
afterEach(async () => {
  await scorer?.close()
  scorer = undefined
})
const open = async (bundle: TestBundle) => {
  scorer = await createScorer(scorable(bundle))
  return scorer
}

describe('every tensor type reaches the model and comes back', () => {
  const columns: Record<Exclude<TensorType, 'string'>, TensorData> = {
    float32: Float32Array.of(0.5, -1, 3),
    float64: Float64Array.of(0.5, -1, 3),
    int64: BigInt64Array.of(5n, -1n, 3n),
    int32: Int32Array.of(5, -1, 3),
    int16: Int16Array.of(5, -1, 3),
    int8: Int8Array.of(5, -1, 3),
    uint8: Uint8Array.of(5, 255, 3),
    uint16: Uint16Array.of(5, 65535, 3),
    bool: Uint8Array.of(1, 0, 1),
  }
  for (const [type, column] of Object.entries(columns) as [TensorType, Exclude<TensorData, string[]>][]) {
    test(type, async () => {
      const { score } = await open({
        inputs: [input('x', type)],
        outputs: { scores: 'cast', values: { same: 'same' } },
        model: {
          inputs: [value('x', type, 'N')],
          outputs: [value('cast', 'float32', 'N'), value('same', type, 'N')],
          nodes: [node('Cast', ['x'], ['cast'], { to: elementType('float32') }), node('Identity', ['x'], ['same'])],
        },
      })
      const outputs = await score(rows(3, column))
      const expected = Float32Array.from(column as Iterable<number>, Number)
      expect(outputs).toEqual({
        count: 3,
        labels: null,
        scores: expected,
        scoresWidth: 1,
        values: new Map([['same', { data: expected, width: 1 }]]),
        spent: { rows: 3, ms: { inference: expect.any(Number) } },
      })
    })
  }
  test('string', async () => {
    const { score } = await open({
      inputs: [input('x', 'string', [1])],
      outputs: { label: 'same' },
      model: {
        inputs: [value('x', 'string', 'N', 1)],
        outputs: [value('same', 'string', 'N', 1)],
        nodes: [node('Identity', ['x'], ['same'])],
      },
    })
    const outputs = await score(rows(3, ['a', '', 'größer 🙂']))
    expect(outputs).toMatchObject({ labels: ['a', '', 'größer 🙂'], scoresWidth: 0, scores: new Float32Array(0) })
  })
})

describe('shapes', () => {
  test('an image keeps its shape: [N, 1, 8, 8] through a convolution', async () => {
    const { score } = await open({
      inputs: [input('image', 'float32', [1, 8, 8])],
      outputs: { scores: 'mean' },
      model: {
        inputs: [value('image', 'float32', 'N', 1, 8, 8)],
        outputs: [value('mean', 'float32', 'N', 2)],
        constants: [
          constant(
            'w',
            'float32',
            [2, 1, 3, 3],
            Float32Array.from({ length: 18 }, (_, i) => (i < 9 ? 1 : -1)),
          ),
        ],
        nodes: [
          node('Conv', ['image', 'w'], ['maps'], { kernel_shape: [3, 3] }),
          node('GlobalAveragePool', ['maps'], ['pooled']),
          node('Flatten', ['pooled'], ['mean']),
        ],
      },
    })
    const images = Float32Array.from({ length: 128 }, (_, i) => (i < 64 ? 1 : 2))
    expect(scoreRows(await score(rows(2, images)))).toEqual([
      [9, -9],
      [18, -18],
    ])
  })
  test('a sequence keeps its shape: [N, 5, 3] averaged over its steps', async () => {
    const { score } = await open({
      inputs: [input('steps', 'float32', [5, 3])],
      outputs: { scores: 'mean' },
      model: {
        inputs: [value('steps', 'float32', 'N', 'T', 3)],
        outputs: [value('mean', 'float32', 'N', 3)],
        nodes: [node('ReduceMean', ['steps'], ['mean'], { axes: [1], keepdims: 0 })],
      },
    })
    const steps = Float32Array.from({ length: 30 }, (_, i) => i)
    expect(scoreRows(await score(rows(2, steps)))).toEqual([
      [6, 7, 8],
      [21, 22, 23],
    ])
  })
  test('several inputs and several outputs: the bundle says which is which', async () => {
    const { score } = await open({
      inputs: [input('a', 'float32'), input('b', 'int64', [2])],
      outputs: { scores: 'twice', values: { less: 'minus', again: 'twice' } },
      model: {
        inputs: [value('b', 'int64', 'N', 2), value('a', 'float32', 'N')],
        outputs: [value('minus', 'float32', 'N'), value('twice', 'int64', 'N', 2), value('unnamed', 'string', 'N')],
        nodes: [
          node('Add', ['b', 'b'], ['twice']),
          node('Neg', ['a'], ['minus']),
          node('Cast', ['a'], ['unnamed'], { to: elementType('string') }),
        ],
      },
    })
    const twice = { data: Float32Array.of(2, 4, 6, 8), width: 2 }
    expect(await score(rows(2, Float32Array.of(1, 2), BigInt64Array.of(1n, 2n, 3n, 4n)))).toEqual({
      count: 2,
      labels: null,
      scores: twice.data,
      scoresWidth: 2,
      values: new Map([
        ['less', { data: Float32Array.of(-1, -2), width: 1 }],
        ['again', twice],
      ]),
      spent: expect.anything(),
    })
  })
  test('no rows give no outputs', async () => {
    const { score } = await open({
      inputs: [input('x', 'float32')],
      outputs: { scores: 'y' },
      model: {
        inputs: [value('x', 'float32', 'N')],
        outputs: [value('y', 'float32', 'N')],
        nodes: [node('Neg', ['x'], ['y'])],
      },
    })
    expect(await score(rows(0, new Float32Array(0)))).toMatchObject({ count: 0, labels: null, scoresWidth: 0 })
  })
})
