import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ConfigInput } from '../../pipeline/config.js'
import type { Prediction } from '../../pipeline/messages.js'
import { writeArchive } from '../../pipeline/model/archive.js'
import { readBundle, readBundleFiles } from '../../pipeline/model/bundle.js'
import { sealFiles } from '../../pipeline/model/pack.js'
import { createScorer } from '../../pipeline/model/scorer.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { digitAt } from '../fixtures/digits.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const bundlePath = (ref: string) => `models/bundles/${ref}.tar.gz`

/** What the models really say of the first `count` scans of the stream, one scan at a time, by name@version. */
const opinions = async (refs: readonly string[], count: number) => {
  const all = new Map<string, { digest: string; labels: (string | undefined)[] }>()
  for (const ref of refs) {
    const bundle = await readBundle(bundlePath(ref))
    const scorer = await createScorer(bundle)
    const pixels = Float32Array.from(Array.from({ length: count }, (_, index) => digitAt(index).pixels).flat())
    const { labels } = await scorer.score({ count, columns: [pixels] })
    all.set(ref, { digest: bundle.digest, labels: [...labels!] })
    await scorer.close()
  }
  return all
}

const ofPartition = (predictions: readonly Prediction[], partition: number) =>
  predictions.filter((one) => one.partition === partition)

/** Waits until every worker has written predictions of the generation. */
const everywhere = (deployment: Deployment, model: string) =>
  deployment.predictions.until((all) => {
    const last = new Map(all.map((one) => [one.partition, one.model]))
    return [...last.values()].filter((one) => one === model).length === deployment.partitions
  })

test('switches under load: nothing is lost or repeated, generations only grow, and every prediction is of the model it names', async () => {
  const deployment = await createDeployment({ partitions: 4 })
  const workers = [await deployment.worker(), await deployment.worker()]
  const stream = deployment.stream(25, 10)
  await everywhere(deployment, 'digits@1')
  for (const model of ['digits@2', 'digits@3', 'digits@1']) {
    await deployment.command({ action: 'SWITCH', model })
    await everywhere(deployment, model)
  }
  await stream.end()
  await deployment.answered()
  await Promise.all(workers.map((worker) => worker.stop()))

  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  expect(deployment.deadLetters.items).toEqual([])
  const said = await opinions(['digits@1', 'digits@2', 'digits@3'], Math.max(...deployment.sent))
  for (let partition = 0; partition < deployment.partitions; partition++) {
    const generations: [number, string][] = []
    for (const one of ofPartition(deployment.predictions.items, partition)) {
      const opinion = said.get(one.model)!
      expect([one.digest, one.label]).toEqual([opinion.digest, opinion.labels[one.offset]])
      if (generations.at(-1)?.[0] !== one.generation) generations.push([one.generation, one.model])
    }
    expect(generations.map(([, model]) => model)).toEqual(['digits@1', 'digits@2', 'digits@3', 'digits@1'])
    const numbers = generations.map(([number]) => number)
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
  }
})

test('a switch needs no records to become active, and the first record after it is its fence', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const worker = await deployment.worker()
  await deployment.sendDigits(10)
  await deployment.answered()
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await deployment.events.until((all) => all.some(({ type, model }) => type === 'activated' && model === 'digits@2'))
  expect(worker.status.model.active?.model).toBe('digits@2')
  await deployment.sendDigits(10)
  await deployment.answered()
  await deployment.events.until((all) =>
    all.some(({ type, reason }) => type === 'fenced' && reason?.endsWith('from 10')),
  )
  const models = deployment.predictions.items.map(({ model }) => model)
  expect(models).toEqual([...Array(10).fill('digits@1'), ...Array(10).fill('digits@2')])
})

/** A store with a good bundle, one whose model is not the one its manifest means, and one whose model says the wrong thing. */
const storeWithBadBundles = async (): Promise<Partial<ConfigInput>> => {
  const directory = join(await temporaryDirectory(), 'store')
  await mkdir(directory)
  await copyFile(bundlePath('digits@1'), join(directory, 'digits@1.tar.gz'))
  const swapped = await readBundleFiles(bundlePath('digits@2'))
  swapped.set('model.onnx', (await readBundleFiles(bundlePath('digits@1'))).get('model.onnx')!)
  await writeArchive(join(directory, 'digits@2.tar.gz'), swapped)
  const wrong = await readBundleFiles(bundlePath('digits@3'))
  wrong.set('golden.jsonl', Buffer.from(String(wrong.get('golden.jsonl')).replaceAll('"label": "0"', '"label": "8"')))
  await writeArchive(join(directory, 'digits@3.tar.gz'), sealFiles('digits@3', wrong).files)
  return { bundles: { directory }, verification: { measureMs: 5, batchSizes: [1] } }
}

test('a bad bundle is refused with its reason, and so is a command that is none, while the old model goes on', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  await deployment.worker(await storeWithBadBundles())
  const stream = deployment.stream(20, 10)
  await everywhere(deployment, 'digits@1')
  const refused = () => deployment.events.items.filter(({ type }) => type === 'failed')
  const commands = [
    { action: 'SWITCH', model: 'digits@9' },
    { action: 'SWITCH', model: 'digits@2' },
    { action: 'SWITCH', model: 'digits@3' },
    { action: 'DANCE', model: 'digits@1' },
  ]
  for (const [index, command] of commands.entries()) {
    await deployment.command(command)
    await deployment.events.until(() => refused().length > index)
  }
  const before = deployment.predictions.items.length
  await deployment.predictions.until((all) => all.length > before + 100)
  await stream.end()
  await deployment.answered()

  expect(refused().map(({ code, model }) => [code, model])).toEqual([
    ['model-unknown', 'digits@9'],
    ['digest-mismatch', 'digits@2'],
    ['model-unfit', 'digits@3'],
    ['command-invalid', null],
  ])
  for (const { reason } of refused()) expect(reason).toMatch(/^.{10,}$/)
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  expect(new Set(deployment.predictions.items.map(({ model }) => model))).toEqual(new Set(['digits@1']))
})
