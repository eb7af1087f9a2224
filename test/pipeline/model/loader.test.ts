import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { readBundleFiles } from '../../../pipeline/model/bundle.js'
import { goldenRows, parseGolden } from '../../../pipeline/model/golden.js'
import { createModelLoader } from '../../../pipeline/model/loader.js'
import { sealFiles } from '../../../pipeline/model/pack.js'
import { createScorer } from '../../../pipeline/model/scorer.js'
import { openStore } from '../../../pipeline/model/store.js'
import { temporaryFolder, writeFolder } from './bundle-fixture.js'

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

test('a verification from elsewhere decides before this process loads the model', async () => {
  const gates = [
    { gate: 'digests', ok: true, detail: 'fine' },
    { gate: 'load', ok: false, detail: 'killed: more than 512 MB', code: 'model-load-failed' as const },
  ]
  const verify = async () => ({ ref: 'digits@1', digest: undefined, ok: false, gates })
  const scorer = { workerEntry: new URL('file:///no/such/module.js') }
  await expect(createModelLoader({ store: shipped, scorer, verify }).load('digits@1')).rejects.toMatchObject({
    code: 'model-load-failed',
    detail: 'digits@1: load: killed: more than 512 MB',
  })
  await expect(createScorer(await shipped.load('digits@1'), scorer)).rejects.toThrow(/worker thread ended/)
})
