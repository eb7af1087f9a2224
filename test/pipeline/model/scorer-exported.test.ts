import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readBundle } from '../../../pipeline/model/bundle.js'
import { initBundle } from '../../../pipeline/model/init.js'
import { createScorer } from '../../../pipeline/model/scorer.js'
import type { TensorData } from '../../../stages/ports.js'
import { rows, scoreRows } from './scorer-fixture.js'

/** What export.py writes beside a model. */
interface Expected {
  readonly inputs: readonly {
    readonly tensor: string
    readonly type: 'float32' | 'int64' | 'string'
    readonly shape: readonly number[]
    readonly rows: readonly unknown[]
  }[]
  readonly labels: readonly string[] | null
  readonly scores: readonly (readonly number[])[]
}

const folder = fileURLToPath(new URL('../../fixtures/exported/', import.meta.url))
const names = (await readdir(folder)).filter((file) => file.endsWith('.onnx')).map((file) => file.slice(0, -5))

let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-exported-'))
})
afterAll(() => rm(scratch, { recursive: true }))

function column({ type, rows: given }: Expected['inputs'][number]): TensorData {
  const elements = given.flat(Number.POSITIVE_INFINITY)
  if (type === 'string') return elements as string[]
  return type === 'int64' ? BigInt64Array.from(elements as number[], BigInt) : Float32Array.from(elements as number[])
}

describe('a model as its library exports it by default answers in a bundle what the library answers', () => {
  test('scikit-learn, XGBoost, LightGBM, CatBoost and PyTorch are there', () => {
    const libraries = new Set(names.map((name) => name.split('-')[0]))
    expect([...libraries].sort()).toEqual(['catboost', 'lightgbm', 'sklearn', 'torch', 'xgboost'])
  })
  for (const name of names) {
    test(name, async () => {
      const expected: Expected = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'))
      const out = join(scratch, name)
      await initBundle({ model: join(folder, `${name}.onnx`), out, name, version: '1' })
      const bundle = await readBundle(out)
      expect(bundle.plan.inputs.map(({ tensor, type, shape }) => ({ tensor, type, shape }))).toEqual(
        expected.inputs.map(({ tensor, type, shape }) => ({ tensor, type, shape })),
      )
      const scorer = await createScorer(bundle)
      const outputs = await scorer.score(rows(expected.scores.length, ...expected.inputs.map(column)))
      await scorer.close()
      expect(outputs.labels).toEqual(expected.labels)
      const answered = scoreRows(outputs)
      expect(answered.map((row) => row.length)).toEqual(expected.scores.map((row) => row.length))
      // Single precision against the double precision of most libraries.
      const differences = answered.flatMap((row, i) => row.map((score, j) => Math.abs(score - expected.scores[i]![j]!)))
      expect(Math.max(...differences)).toBeLessThan(1e-5)
    })
  }
})
