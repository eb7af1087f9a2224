import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { readBundleFiles } from '../../../pipeline/model/bundle.js'
import { goldenRows, parseGolden } from '../../../pipeline/model/golden.js'
import { createInferenceThreads } from '../../../pipeline/model/inference-threads.js'
import { createModelLoader, type LoaderOptions } from '../../../pipeline/model/loader.js'
import { sealFiles } from '../../../pipeline/model/pack.js'
import { openStore } from '../../../pipeline/model/store.js'
import { verifyBundle } from '../../../pipeline/model/verifier.js'
import { temporaryFolder, writeFolder } from './bundle-fixture.js'
import { looping, pairBundle } from './verifier-fixture.js'

const shipped = openStore('models/bundles')

test('a bundle of the store comes back verified, warm and ready to score', async () => {
  const stages: string[] = []
  const loaded = await createModelLoader({ store: shipped }).load('digits@1', undefined, (stage) => stages.push(stage))
  try {
    expect(stages).toEqual(['loading', 'verifying'])
    expect(loaded).toMatchObject({ ref: 'digits@1', digest: expect.stringMatching(/^[0-9a-f]{64}$/) })
    const { files } = await shipped.load('digits@1', loaded.digest)
    const [golden] = parseGolden(files.get('golden.jsonl')!)
    const outputs = await loaded.scorer.score(goldenRows(golden!, loaded.plan))
    expect(outputs.labels).toEqual([golden!.expect.label])
  } finally {
    await loaded.scorer.close()
  }
})

test('a bundle whose golden cases disagree is refused with the gate and the line, and its thread is closed', async () => {
  const folder = await temporaryFolder()
  const files = await readBundleFiles('models/bundles/digits@1.tar.gz')
  const lines = files.get('golden.jsonl')!.toString().trim().split('\n')
  const wrong = { ...JSON.parse(lines[0]!), expect: { label: 'eleven' } }
  files.set('golden.jsonl', Buffer.from(JSON.stringify(wrong)))
  await writeFolder(join(folder, 'wrong'), sealFiles('wrong', files).files)
  await expect(createModelLoader({ store: openStore(folder) }).load('digits@1')).rejects.toMatchObject({
    code: 'model-unfit',
    detail: expect.stringMatching(/^digits@1: golden: golden\.jsonl line 1: label .*, expected "eleven"$/),
  })
})

test('a model that does not load is refused with the reason', async () => {
  const folder = await temporaryFolder()
  const files = await readBundleFiles('models/bundles/digits@1.tar.gz')
  files.set('model.onnx', files.get('model.onnx')!.subarray(0, 2000))
  await writeFolder(join(folder, 'cut'), sealFiles('cut', files).files)
  await expect(createModelLoader({ store: openStore(folder) }).load('digits@1')).rejects.toMatchObject({
    code: 'bundle-invalid',
    detail: expect.stringMatching(/^digits@1: graphs: model\.onnx: /),
  })
})

test('what the store does not have, or has damaged, is refused before anything is tried', async () => {
  const folder = await temporaryFolder()
  const verify = vi.fn()
  const loader = createModelLoader({ store: openStore(folder), verify })
  await expect(loader.load('digits@1')).rejects.toMatchObject({ code: 'model-unknown' })
  const bytes = await readFile('models/bundles/digits@1.tar.gz')
  await writeFile(join(folder, 'half.tar.gz'), bytes.subarray(0, bytes.length / 2))
  await expect(loader.load('half.tar.gz')).rejects.toMatchObject({ code: 'bundle-invalid' })
  expect(verify).not.toHaveBeenCalled()
})

test('what a bundle costs is measured as it is loaded where nobody has measured it, and not where that is known', async () => {
  const load = async (knownCosts?: LoaderOptions['knownCosts']) => {
    const measure = { batchSizes: [1, 4], measureMs: 0 }
    const { scorer, costs } = await createModelLoader({ store: shipped, measure, knownCosts }).load('digits@1')
    await scorer.close()
    return costs
  }
  expect((await load())?.map(({ rows, runs, stages }) => [rows, runs, stages?.inference !== undefined])).toEqual([
    [1, 5, true],
    [4, 5, true],
  ])
  const known = [{ rows: 7, runs: 9, p50Ms: 1, p99Ms: 2 }]
  expect(await load(async () => known)).toBe(known)
})

describe('a verification in another process', () => {
  // A scorer that cannot start shows whether this process tried to load the model.
  const never = { threads: createInferenceThreads({ entry: new URL('file:///no/such/module.js') }) }

  test('lets a sound bundle through, and it is loaded here', async () => {
    const verify = vi.fn((path: string) => verifyBundle(path, { measureMs: 1, batchSizes: [1] }))
    const stages: string[] = []
    const loader = createModelLoader({ store: shipped, verify })
    const loaded = await loader.load('digits@2', undefined, (stage) => stages.push(stage))
    await loaded.scorer.close()
    expect(loaded.ref).toBe('digits@2')
    expect(stages).toEqual(['loading', 'verifying'])
    expect(verify).toHaveBeenCalledWith(expect.stringMatching(/digits@2\.tar\.gz$/), {
      ref: 'digits@2',
      digest: loaded.digest,
      settled: false,
    })
  })

  test('refuses a model that would hang, and this process never loads it', async () => {
    const folder = await temporaryFolder()
    await writeFolder(join(folder, 'pair'), pairBundle({ graph: looping, golden: [{ a: 1e9 }] }).files)
    const verify = (path: string) => verifyBundle(path, { timeoutMs: 1500 })
    const loader = createModelLoader({ store: openStore(folder), scorer: never, verify })
    await expect(loader.load('pair@1')).rejects.toMatchObject({
      code: 'verification-late',
      // On a busy machine it may not have come as far as its golden cases, or as reading which bundle it is.
      detail: expect.stringMatching(/^(pair@1|bundle): \w+: not done after 1500 ms$/),
    })
  })

  test('of other bytes than those that are loaded does not count', async () => {
    const verify = async () => ({ ref: 'digits@1', digest: 'f'.repeat(64), ok: true, gates: [] })
    const loader = createModelLoader({ store: shipped, scorer: never, verify })
    await expect(loader.load('digits@1')).rejects.toMatchObject({ code: 'digest-mismatch' })
  })
})
