import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { readBundle } from '../../../pipeline/model/bundle.js'
import { createScorer } from '../../../pipeline/model/scorer.js'
import type { Scorer } from '../../../stages/ports.js'
import { constant, type GraphDefinition, node, value } from '../../fixtures/onnx-graphs.js'
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

/** Adds [1, 2, 3] to a row; each graph claims or does something else about its batch. */
const weights = constant('w', 'float32', [3], Float32Array.of(1, 2, 3))
const add = (graph: Pick<GraphDefinition, 'inputs' | 'outputs'>): GraphDefinition => ({
  ...graph,
  constants: [weights],
  nodes: [node('Add', ['x', 'w'], ['y'])],
})
const x = (...shape: (number | string)[]) => [value('x', 'float32', ...shape)]
const y = (...shape: (number | string)[]) => [value('y', 'float32', ...shape)]

const batches: Record<string, GraphDefinition> = {
  'any batch': add({ inputs: x('N', 3), outputs: y('N', 3) }),
  'a fixed batch of 1': add({ inputs: x(1, 3), outputs: y(1, 3) }),
  'a fixed batch of 4': add({ inputs: x(4, 3), outputs: y(4, 3) }),
  'no batch dimension': add({ inputs: x(3), outputs: y(3) }),
  'an output declared [1, 3] that has as many rows as went in': add({ inputs: x('N', 3), outputs: y(1, 3) }),
  'an output without a batch dimension': {
    inputs: x('N', 3),
    outputs: y(3),
    constants: [weights],
    nodes: [node('ReduceSum', ['x', 'first'], ['sum'], { keepdims: 0 }), node('Add', ['sum', 'w'], ['y'])],
  },
  'a batch of 1 that is baked in, though any is declared': {
    inputs: x('N', 3),
    outputs: y('N', 3),
    constants: [weights, constant('one', 'int64', [2], BigInt64Array.of(1n, 3n))],
    nodes: [node('Reshape', ['x', 'one'], ['row']), node('Add', ['row', 'w'], ['y'])],
  },
}
const first = constant('first', 'int64', [1], BigInt64Array.of(0n))
const bundleOf = (model: GraphDefinition): TestBundle => ({
  inputs: [input('x', 'float32', [3])],
  outputs: { scores: 'y' },
  model: { ...model, constants: [...(model.constants ?? []), first] },
})

describe('a model is fed in batches that it takes, and answers row by row', () => {
  for (const [claim, graph] of Object.entries(batches)) {
    test(`${claim}: splitting rows arbitrarily gives the same outputs`, async () => {
      const { score } = await open(bundleOf(graph))
      const float = fc.integer({ min: -1000, max: 1000 })
      const part = fc.array(fc.tuple(float, float, float), { minLength: 0, maxLength: 9 })
      await fc.assert(
        fc.asyncProperty(fc.array(part, { maxLength: 4 }), async (parts) => {
          const answers = await Promise.all(parts.map((p) => score(rows(p.length, Float32Array.from(p.flat())))))
          const all = parts.flat()
          const whole = await score(rows(all.length, Float32Array.from(all.flat())))
          expect(answers.flatMap(scoreRows)).toEqual(scoreRows(whole))
          expect(scoreRows(whole)).toEqual(all.map(([a, b, c]) => [a + 1, b + 2, c + 3]))
        }),
        { numRuns: 40 },
      )
    })
  }

  test('padding is dropped from every kind of output', async () => {
    const { score } = await open({
      inputs: [input('s', 'string'), input('i', 'int64', [1]), input('b', 'bool', [2])],
      outputs: { label: 's2', scores: 'i2', values: { flags: 'b2' } },
      model: {
        inputs: [value('s', 'string', 4), value('i', 'int64', 4, 1), value('b', 'bool', 4, 2)],
        outputs: [value('s2', 'string', 4), value('i2', 'int64', 4, 1), value('b2', 'bool', 4, 2)],
        nodes: [node('Identity', ['s'], ['s2']), node('Neg', ['i'], ['i2']), node('Not', ['b'], ['b2'])],
      },
    })
    const outputs = await score(
      rows(
        5,
        ['a', 'b', 'c', 'd', 'e'],
        BigInt64Array.of(1n, 2n, 3n, 4n, 5n),
        Uint8Array.of(0, 1, 0, 1, 0, 1, 0, 1, 0, 0),
      ),
    )
    expect(outputs).toEqual({
      count: 5,
      labels: ['a', 'b', 'c', 'd', 'e'],
      scores: Float32Array.of(-1, -2, -3, -4, -5),
      scoresWidth: 1,
      values: new Map([['flags', { data: Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0, 1, 1), width: 2 }]]),
      spent: { rows: 5, ms: { inference: expect.any(Number) } },
    })
  })

  test('an output that does not follow a fixed batch of 4 is unfit', async () => {
    const sum: GraphDefinition = {
      inputs: x(4, 3),
      outputs: y(1, 3),
      nodes: [node('ReduceSum', ['x', 'first'], ['y'])],
    }
    await expect(open(bundleOf(sum))).rejects.toMatchObject({
      code: 'model-unfit',
      message: expect.stringContaining("for 4 rows the output 'y' has the shape [1, 3]"),
    })
  })
})

test('the rows stay readable after they were scored: views, shared buffers and Buffers are copied', async () => {
  const { score } = await open(bundleOf(batches['any batch'] as GraphDefinition))
  const large = Float32Array.from({ length: 30 }, (_, i) => i)
  const [one, two] = await Promise.all([score(rows(2, large.subarray(0, 6))), score(rows(3, large.subarray(3, 12)))])
  expect(scoreRows(one)[1]).toEqual(scoreRows(two)[0])
  expect(large).toHaveLength(30)
  await scorer?.close()

  const bytes = await open({
    inputs: [input('x', 'uint8', [2])],
    outputs: { scores: 'y' },
    model: {
      inputs: [value('x', 'uint8', 'N', 2)],
      outputs: [value('y', 'uint8', 'N', 2)],
      nodes: [node('Identity', ['x'], ['y'])],
    },
  })
  const pooled = Buffer.from([1, 2, 3, 4])
  expect(scoreRows(await bytes.score(rows(2, pooled)))).toEqual([
    [1, 2],
    [3, 4],
  ])
  expect([...pooled]).toEqual([1, 2, 3, 4])
  expect(Buffer.from('the pool is alive').toString()).toBe('the pool is alive')
})

test('columns that are not what the bundle says are the caller’s fault, not the rows’', async () => {
  const { score } = await open(bundleOf(batches['any batch'] as GraphDefinition))
  await expect(score(rows(1))).rejects.toThrow('0 columns for 1 inputs')
  await expect(score(rows(1, new Float64Array(3)))).rejects.toThrow("the column of 'x' is not float32")
  await expect(score(rows(2, new Float32Array(3)))).rejects.toThrow('3 elements instead of 6')
  await expect(score(rows(2, new Float32Array(3)))).rejects.not.toMatchObject({ name: 'InferenceError' })
})

test('a record gets the same numbers to the last bit alone and in any company', async () => {
  const bundle = await readBundle('models/bundles/digits@1.tar.gz')
  const scorer = await createScorer(bundle)
  try {
    const random = fc.sample(fc.array(fc.integer({ min: 0, max: 16 }), { minLength: 64, maxLength: 64 }), {
      numRuns: 50,
      seed: 7,
    })
    const scoresOf = async (rows: readonly number[][]) =>
      (await scorer.score({ count: rows.length, columns: [Float32Array.from(rows.flat())] })).scores
    const together = await scoresOf(random)
    for (const [index, row] of random.entries())
      expect(await scoresOf([row])).toEqual(together.subarray(index * 10, index * 10 + 10))
  } finally {
    await scorer.close()
  }
})
