import { afterEach, describe, expect, test } from 'vitest'
import { planChain, UnfitError } from '../../../pipeline/model/chain.js'
import { createScorer } from '../../../pipeline/model/scorer.js'
import type { Scorer } from '../../../stages/ports.js'
import { constant, elementType, node, value } from '../../fixtures/onnx-graphs.js'
import { input, rows, scorable, scoreRows } from './scorer-fixture.js'

const preprocess = (inputs: string[], outputs: string[]) => ({ file: 'preprocess.onnx', inputs, outputs })
const model = (inputs: string[], outputs: string[]) => ({ file: 'model.onnx', inputs, outputs })
const postprocess = (inputs: string[], outputs: string[]) => ({ file: 'postprocess.onnx', inputs, outputs })

describe('how graphs are joined', () => {
  test('one output meets one input by position, also when a bound tensor has the name of that input', () => {
    const plan = planChain([preprocess(['X'], ['variable']), model(['X'], ['p'])], ['X'], ['p'])
    expect(plan.steps[1]?.feeds).toEqual(new Map([['X', { step: 1, tensor: 'variable' }]]))
    expect(plan.steps.map((step) => step.fetches)).toEqual([['variable'], ['p']])
  })
  test('several meet by name, and a bound tensor that nothing took passes by', () => {
    const graphs = [preprocess(['raw'], ['age', 'unused']), model(['age', 'city'], ['p'])]
    const plan = planChain(graphs, ['raw', 'city'], ['p'])
    expect(plan.steps[1]?.feeds).toEqual(
      new Map([
        ['age', { step: 1, tensor: 'age' }],
        ['city', { step: 0, tensor: 'city' }],
      ]),
    )
    expect(plan.steps[0]?.fetches).toEqual(['age'])
  })
  test('a tensor that preprocess.onnx took does not reach the model unprocessed', () => {
    const graphs = [preprocess(['a', 'b'], ['a2', 'b2']), model(['a', 'b'], ['p'])]
    expect(() => planChain(graphs, ['a', 'b'], ['p'])).toThrow("model.onnx needs the input 'a'; there is 'a2', 'b2'")
  })
  test('an output is looked for in postprocess.onnx, then in the model', () => {
    const graphs = [model(['x'], ['p', 'embedding']), postprocess(['p'], ['label', 'p'])]
    const plan = planChain(graphs, ['x'], ['label', 'p', 'embedding'])
    expect(plan.results).toEqual(
      new Map([
        ['label', { step: 2, tensor: 'label' }],
        ['p', { step: 2, tensor: 'p' }],
        ['embedding', { step: 1, tensor: 'embedding' }],
      ]),
    )
    expect(plan.steps[0]?.fetches).toEqual(['p', 'embedding'])
  })
  test('what does not fit is said in one line', () => {
    expect(() => planChain([model(['x'], ['p'])], ['x', 'z'], ['p'])).toThrow(
      new UnfitError("the bundle binds the tensor 'z', but the inputs of model.onnx are 'x'"),
    )
    expect(() => planChain([model(['x', 'z'], ['p'])], ['x'], ['p'])).toThrow("model.onnx needs the input 'z'")
    expect(() => planChain([preprocess(['x'], ['y']), model(['y'], ['p'])], ['x'], ['y'])).toThrow(
      "the bundle names the output 'y', but the model's outputs are 'p'",
    )
  })
})

describe('graphs run one after the other', () => {
  let scorer: Scorer | undefined
  afterEach(() => scorer?.close())

  test('preprocess.onnx, model.onnx with a fixed batch of 2, postprocess.onnx', async () => {
    scorer = await createScorer(
      scorable({
        inputs: [input('age', 'int64'), input('income', 'float64')],
        outputs: { label: 'decision', scores: 'risk', values: { inputs: 'variable' } },
        preprocess: {
          inputs: [value('age', 'int64', 'N'), value('income', 'float64', 'N')],
          outputs: [value('both', 'float32', 'N', 2)],
          constants: [constant('last', 'int64', [1], BigInt64Array.of(1n))],
          nodes: [
            node('Cast', ['age'], ['a'], { to: elementType('float32') }),
            node('Cast', ['income'], ['i'], { to: elementType('float32') }),
            node('Unsqueeze', ['a', 'last'], ['a1']),
            node('Unsqueeze', ['i', 'last'], ['i1']),
            node('Concat', ['a1', 'i1'], ['both'], { axis: 1 }),
          ],
        },
        model: {
          inputs: [value('X', 'float32', 2, 2)],
          outputs: [value('risk', 'float32', 2, 1), value('variable', 'float32', 2, 2)],
          constants: [constant('w', 'float32', [2, 1], Float32Array.of(1, -1))],
          nodes: [node('MatMul', ['X', 'w'], ['risk']), node('Identity', ['X'], ['variable'])],
        },
        postprocess: {
          inputs: [value('risk', 'float32', 'N', 1)],
          outputs: [value('decision', 'string', 'N', 1)],
          constants: [
            constant('zero', 'float32', [1], Float32Array.of(0)),
            constant('yes', 'string', [1], ['refuse']),
            constant('no', 'string', [1], ['grant']),
          ],
          nodes: [node('Greater', ['risk', 'zero'], ['high']), node('Where', ['high', 'yes', 'no'], ['decision'])],
        },
      }),
    )
    const outputs = await scorer.score(rows(3, BigInt64Array.of(30n, 40n, 50n), Float64Array.of(10, 50, 49.5)))
    expect(outputs.labels).toEqual(['refuse', 'grant', 'refuse'])
    expect(scoreRows(outputs)).toEqual([[20], [-10], [0.5]])
    expect(outputs.values.get('inputs')).toEqual({ data: Float32Array.of(30, 10, 40, 50, 50, 49.5), width: 2 })
  })
})
