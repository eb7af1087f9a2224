import { afterEach, describe, expect, test } from 'vitest'
import { createInferenceThreads } from '../../../pipeline/model/inference-threads.js'
import { createScorer } from '../../../pipeline/model/scorer.js'
import { bisect } from '../../../stages/bisect.js'
import { InferenceError, type Scorer, type TensorPlan } from '../../../stages/ports.js'
import { constant, type GraphDefinition, node, value } from '../../fixtures/onnx-graphs.js'
import { input, rows, scorable, scoreRows, type TestBundle } from './scorer-fixture.js'

let scorer: Scorer | undefined
afterEach(async () => {
  await scorer?.close()
  scorer = undefined
})

const negate: TestBundle = {
  inputs: [input('x', 'float32')],
  outputs: { scores: 'y' },
  model: {
    inputs: [value('x', 'float32', 'N')],
    outputs: [value('y', 'float32', 'N')],
    nodes: [node('Neg', ['x'], ['y'])],
  },
}
/** Looks a word up in a table of four: any other index fails the whole run. */
const lookup: TestBundle = {
  inputs: [input('index', 'int64')],
  outputs: { scores: 'found' },
  model: {
    inputs: [value('index', 'int64', 'N')],
    outputs: [value('found', 'float32', 'N')],
    constants: [constant('table', 'float32', [4], Float32Array.of(10, 11, 12, 13))],
    nodes: [node('Gather', ['table', 'index'], ['found'])],
  },
}

describe('a model that fails on one value', () => {
  test('rejects with InferenceError in one line, and scores what comes next', async () => {
    scorer = await createScorer(scorable(lookup))
    const bad = scorer.score(rows(3, BigInt64Array.of(0n, 9n, 1n)))
    const good = scorer.score(rows(1, BigInt64Array.of(3n)))
    const error = await bad.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(InferenceError)
    expect((error as Error).message).toMatch(/Gather.*out of data bounds, idx=9/)
    expect((error as Error).message).not.toMatch(/\n|onnxruntime_src/)
    expect(scoreRows(await good)).toEqual([[13]])
  })
  test('is bisected until the poison stands alone', async () => {
    scorer = await createScorer(scorable(lookup))
    const index = BigInt64Array.from({ length: 50 }, (_, i) => (i === 17 || i === 42 ? 99n : BigInt(i % 4)))
    const { outputs, failed } = await bisect(scorer, rows(50, index), () => false)
    expect([...failed.keys()]).toEqual([17, 42])
    expect(outputs.scores[49]).toBe(11)
  })
})

describe('a bundle that cannot be scored with is refused with one line that says why', () => {
  const refused = async (bundle: TestBundle, code: string, why: RegExp) => {
    const error = await createScorer(scorable(bundle)).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'MillraceError', code })
    expect((error as Error).message).toMatch(why)
    expect((error as Error).message).toMatch(/^[^\n]*test@1[^\n]*$/)
  }
  const model = negate.model as GraphDefinition
  test('bytes that are no model', () =>
    refused({ ...negate, model: Buffer.from('no model') }, 'model-load-failed', /model\.onnx: .*protobuf/))
  test('an operator that does not exist', () =>
    refused(
      { ...negate, model: { ...model, nodes: [node('Nonsense', ['x'], ['y'])] } },
      'model-load-failed',
      /Nonsense/,
    ))
  test('a tensor bound as another type', () =>
    refused(
      { ...negate, inputs: [input('x', 'int64')] },
      'model-unfit',
      /'x' as int64, but model\.onnx declares float32/,
    ))
  test('a tensor bound with another shape', () =>
    refused({ ...negate, inputs: [input('x', 'float32', [2, 2])] }, 'model-unfit', /\[2, 2\].*declares \[N\]/))
  test('a tensor that the model does not have', () =>
    refused({ ...negate, inputs: [...negate.inputs, input('z', 'float32')] }, 'model-unfit', /binds the tensor 'z'/))
  test('an output that the model does not have', () =>
    refused({ ...negate, outputs: { scores: 'p' } }, 'model-unfit', /the output 'p'.*outputs are 'y'/))
  test('a preprocess.onnx whose output is not what the model takes', () => {
    const preprocess: GraphDefinition = {
      inputs: [value('x', 'float32', 'N')],
      outputs: [value('wide', 'float32', 'N', 1)],
      constants: [constant('last', 'int64', [1], BigInt64Array.of(1n))],
      nodes: [node('Unsqueeze', ['x', 'last'], ['wide'])],
    }
    return refused({ ...negate, preprocess }, 'model-unfit', /model\.onnx: Invalid rank for input: x/)
  })
  test('a model that is not loaded in time', async () => {
    const error = await createScorer(scorable(negate), { loadTimeoutMs: 1 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'model-load-failed',
      message: expect.stringContaining('not loaded within 1 ms'),
    })
  })
})

describe('a model that does not take the rows it is warmed up with is not refused', () => {
  /** Looks up `index - back`; only results from 0 to 3 are in the table. */
  const shifted = (back: bigint): TestBundle => ({
    ...lookup,
    model: {
      ...(lookup.model as GraphDefinition),
      constants: [
        constant('table', 'float32', [4], Float32Array.of(10, 11, 12, 13)),
        constant('back', 'int64', [1], BigInt64Array.of(back)),
      ],
      nodes: [node('Sub', ['index', 'back'], ['at']), node('Gather', ['table', 'at'], ['found'])],
    },
  })
  for (const [what, back] of Object.entries({ zeros: 5n, 'neither zeros nor ones': 6n })) {
    test(`${what}`, async () => {
      scorer = await createScorer(scorable(shifted(back)))
      await expect(scorer.score(rows(1, BigInt64Array.of(0n)))).rejects.toBeInstanceOf(InferenceError)
      expect(scoreRows(await scorer.score(rows(2, BigInt64Array.of(6n, 8n))))).toEqual([
        [11 - Number(back - 5n)],
        [13 - Number(back - 5n)],
      ])
    })
  }
  test('the default that the bundle gives a field is what it is warmed up with', async () => {
    const bundle = scorable(shifted(100n))
    const [index] = bundle.plan.inputs
    const fields = [{ field: 'index', width: 1, default: 101 }]
    scorer = await createScorer({ ...bundle, plan: { ...bundle.plan, inputs: [{ ...(index as TensorPlan), fields }] } })
    expect(scoreRows(await scorer.score(rows(1, BigInt64Array.of(102n))))).toEqual([[12]])
  })
})

describe('a worker thread that dies', () => {
  const entry = new URL('../../fixtures/mortal-inference-worker.mjs', import.meta.url)
  const x = (...values: number[]) => rows(values.length, Float32Array.of(...values))

  test('is started again, and the calls that waited behind the deadly one are answered in order', async () => {
    const deaths: string[] = []
    scorer = await createScorer(scorable(negate), {
      threads: createInferenceThreads({ entry }),
      onDeath: (_ref, reason) => deaths.push(reason),
    })
    const settled: string[] = []
    const calls = [x(1), x(2, 666), x(3), x(4)].map((call, index) =>
      scorer?.score(call).then(
        (outputs) => settled.push(`${index}: ${scoreRows(outputs)}`),
        (error: Error) => settled.push(`${index}: ${error.name} ${error.message}`),
      ),
    )
    await Promise.all(calls)
    expect(settled).toEqual([
      '0: -1',
      '1: InferenceError the worker thread died twice on these rows: it exited with code 3',
      '2: -3',
      '3: -4',
    ])
    expect(deaths).toEqual(['it exited with code 3', 'it exited with code 3'])
  })
  test('is bisected: the record that kills it is found, the rest is scored', async () => {
    scorer = await createScorer(scorable(negate), { threads: createInferenceThreads({ entry }) })
    const { outputs, failed } = await bisect(scorer, x(1, 2, 3, 666, 5), () => false)
    expect([...failed.keys()]).toEqual([3])
    expect(outputs.scores[4]).toBe(-5)
  })
  test('is started once more when it dies as it is started again', async () => {
    const threads = createInferenceThreads({ entry })
    let starts = 0
    const dying: typeof threads = {
      ...threads,
      start: async (job, options) => {
        starts++
        if (starts === 2 || starts === 3) throw new Error('it exited with code 3')
        return threads.start(job, options)
      },
    }
    scorer = await createScorer(scorable(negate), { threads: dying })
    const calls = [scorer.score(x(666)), scorer.score(x(1))]
    await expect(calls[0]).rejects.toBeInstanceOf(InferenceError)
    expect(scoreRows((await calls[1])!)).toEqual([[-1]])
    expect(starts).toBe(5)
  })
  test('rejects with another error when it cannot be started again, and comes back once it can', async () => {
    const bundle = scorable(negate)
    scorer = await createScorer(bundle, { threads: createInferenceThreads({ entry }) })
    const bytes = bundle.files.get('model.onnx') as Buffer
    const intact = Buffer.from(bytes)
    bytes.fill(0)
    const [deadly, waiting] = await Promise.allSettled([scorer.score(x(666)), scorer.score(x(1))])
    for (const call of [deadly, waiting]) {
      expect(call).toMatchObject({
        status: 'rejected',
        reason: { name: 'Error', message: 'test@1 cannot be started again' },
      })
    }
    intact.copy(bytes)
    expect(scoreRows(await scorer.score(x(7)))).toEqual([[-7]])
  })
  test('does not keep close() from ending: what was asked before is still answered', async () => {
    const closing = await createScorer(scorable(negate), { threads: createInferenceThreads({ entry }) })
    const calls = Promise.allSettled([closing.score(x(666)), closing.score(x(1))])
    await closing.close()
    expect(await calls).toMatchObject([
      { reason: { name: 'InferenceError' } },
      { value: { scores: Float32Array.of(-1) } },
    ])
  })
})
