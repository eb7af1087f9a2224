import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createInferenceThreads, workerEntry } from '../../../pipeline/model/inference-threads.js'

import { createScorer } from '../../../pipeline/model/scorer.js'
import { constant, node, value } from '../../fixtures/onnx-graphs.js'
import { input, rows, scorable, scoreRows } from './scorer-fixture.js'

const negate = scorable({
  inputs: [input('x', 'float32')],
  outputs: { scores: 'y' },
  model: {
    inputs: [value('x', 'float32', 'N')],
    outputs: [value('y', 'float32', 'N')],
    nodes: [node('Neg', ['x'], ['y'])],
  },
})

/** Multiplies a row of 256 numbers with the unit matrix 60 times: about 8 million multiplications a row. */
const width = 256
const layers = Array.from({ length: 60 }, (_, i) => node('MatMul', [i === 0 ? 'x' : `h${i}`, 'unit'], [`h${i + 1}`]))
const slow = scorable({
  inputs: [input('x', 'float32', [width])],
  outputs: { scores: 'y' },
  model: {
    inputs: [value('x', 'float32', 'N', width)],
    outputs: [value('y', 'float32', 'N', width)],
    constants: [
      constant(
        'unit',
        'float32',
        [width, width],
        Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0)),
      ),
    ],
    nodes: [...layers, node('Identity', ['h60'], ['y'])],
  },
})

test('the event loop stays responsive during a long run', async () => {
  const scorer = await createScorer(slow)
  const count = 2000
  const features = Float32Array.from({ length: count * width }, (_, i) => i % 7)
  let [turns, running] = [0, true]
  const turn = () => {
    turns++
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  const outputs = await scorer.score(rows(count, features))
  running = false
  await scorer.close()
  expect(outputs.scores).toEqual(features)
  // A run on this thread leaves it a handful of turns, before and after; the 16 billion multiplications elsewhere leave thousands.
  expect(turns).toBeGreaterThan(100)
})

describe('close', () => {
  test('answers what was asked before it, refuses what comes after, and may be called again', async () => {
    const scorer = await createScorer(negate)
    const calls = [1, 2, 3].map((x) => scorer.score(rows(1, Float32Array.of(x))))
    const closing = scorer.close()
    await expect(scorer.score(rows(1, Float32Array.of(4)))).rejects.toThrow('the scorer of test@1 is closed')
    await Promise.all([closing, scorer.close()])
    expect((await Promise.all(calls)).map(scoreRows)).toEqual([[[-1]], [[-2]], [[-3]]])
    await scorer.close()
  })

  test('50 scorers opened and closed leave no handles and no threads', async () => {
    const cycle = async () => {
      const scorer = await createScorer(negate)
      await scorer.score(rows(2, Float32Array.of(1, 2)))
      await scorer.close()
    }
    const count = () => ({
      handles: process.getActiveResourcesInfo().filter((kind) => /Worker|MessagePort|Timeout/.test(kind)).length,
      threads: process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0,
    })
    // The first one starts what stays for the whole process.
    await cycle()
    const before = count()
    for (let i = 0; i < 50; i++) await cycle()
    const after = count()
    // Ten for what the test runner and the thread pool of Node start meanwhile.
    expect(after.handles).toBeLessThan(before.handles + 10)
    expect(after.threads).toBeLessThan(before.threads + 10)
  })

  test('a thread that one model has left loads the next, up to a number of models, and those that wait end on close', async () => {
    const threads = createInferenceThreads({ longestService: 2 })
    const count = () => readdirSync('/proc/self/task').length
    const use = async (x: number) => {
      const scorer = await createScorer(negate, { threads })
      expect(scoreRows(await scorer.score(rows(1, Float32Array.of(x))))).toEqual([[-x]])
      return scorer
    }
    const without = count()
    const first = await use(1)
    const withOne = count()
    await first.close()
    const second = await use(2)
    expect(count()).toBe(withOne)
    await second.close()
    expect(count()).toBe(without)
    const third = await use(3)
    await third.close()
    expect(count()).toBe(withOne)
    await threads.close()
    expect(count()).toBe(without)
  })

  test('lets the process end by itself, and so does a scorer that was forgotten', async () => {
    const scorer = fileURLToPath(new URL('scorer.js', workerEntry()))
    const model = negate.files.get('model.onnx')?.toString('base64')
    const program = (end: string) => `
      import { createScorer } from ${JSON.stringify(scorer)}
      const files = new Map([['model.onnx', Buffer.from('${model}', 'base64')]])
      const bundle = { ...${JSON.stringify({ ref: negate.ref, manifest: negate.manifest, plan: negate.plan })}, files }
      const scorer = await createScorer(bundle)
      const outputs = await scorer.score({ count: 1, columns: [Float32Array.of(3)] })
      ${end}
      console.log(outputs.scores[0])`
    for (const end of ['await scorer.close()', '']) {
      const node = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program(end)], {
        timeout: 60_000,
      })
      expect(await node).toEqual({ stdout: '-3\n', stderr: '' })
    }
  })
})
