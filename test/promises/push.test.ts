import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ModelEvent } from '../../pipeline/messages.js'
import { writeArchive } from '../../pipeline/model/archive.js'
import { readBundleFiles } from '../../pipeline/model/bundle.js'
import { sealFiles } from '../../pipeline/model/pack.js'
import { pushModel } from '../../pipeline/push-model.js'
import { millrace, millraceJson } from '../fixtures/cli.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { digitBundle, stubborn } from '../fixtures/digit-models.js'
import { testKafka } from '../fixtures/kafka.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const bundlePath = (ref: string) => `models/bundles/${ref}.tar.gz`

/** Settings with a store of their own that holds digits@1. */
const ownStore = async (more: object = {}) => {
  const directory = join(await temporaryDirectory(), 'store')
  await mkdir(directory)
  await copyFile(bundlePath('digits@1'), join(directory, 'digits@1.tar.gz'))
  return { bundles: { directory, ...more } }
}

const push = ({ topics }: Deployment, path: string) => pushModel({ kafka: testKafka(), topic: topics.models, path })

const until = async ({ events }: Deployment, is: (event: ModelEvent) => boolean, count = 1): Promise<ModelEvent[]> => {
  await events.until((all) => all.filter(is).length >= count)
  return events.items.filter(is)
}

test('a bundle that is pushed is on every worker, and on one that comes later with nothing', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  const workers = [await deployment.worker(await ownStore()), await deployment.worker(await ownStore())]
  // Nobody has it yet.
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await until(deployment, ({ type, code }) => type === 'failed' && code === 'model-unknown', 2)
  const pushed = await push(deployment, bundlePath('digits@2'))
  const stored = await until(deployment, ({ type }) => type === 'stored', 2)
  expect(new Set(stored.map(({ worker }) => worker))).toEqual(new Set(workers.map(({ id }) => id)))
  for (const { model, digest } of stored) expect([model, digest]).toEqual([pushed.ref, pushed.digest])

  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await until(deployment, ({ type, model }) => type === 'activated' && model === 'digits@2', 2)
  await deployment.sendDigits(20)
  await deployment.answered()
  await Promise.all(workers.map((worker) => worker.stop()))

  const directory = join(await temporaryDirectory(), 'empty')
  const late = await deployment.worker({ bundles: { directory } })
  expect(late.status.model.active).toMatchObject({ model: 'digits@2', digest: pushed.digest })
  await deployment.sendDigits(20)
  await deployment.answered()
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})

test('what is pushed and does not fit is refused with an event', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  await deployment.worker(await ownStore({ maxStoreBytes: 20_000 }))
  const archive = join(await temporaryDirectory(), 'noise.tar.gz')
  await writeArchive(archive, digitBundle('small', { graph: stubborn }).files)
  const small = await push(deployment, archive)
  await until(deployment, ({ type, digest }) => type === 'stored' && digest === small.digest)
  const large = await push(deployment, bundlePath('digits@3'))
  const [tooLarge] = await until(deployment, ({ type }) => type === 'failed')
  expect(tooLarge).toMatchObject({ code: 'bundle-invalid', digest: large.digest })
  expect(tooLarge!.reason).toMatch(/\d+ bytes; 20000 are allowed$/)
})

test('a deployment whose bundles are those of the image takes none, and says so', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const settings = await ownStore({ mutable: false })
  await deployment.worker(settings)
  await push(deployment, bundlePath('digits@2'))
  const [refused] = await until(deployment, ({ type }) => type === 'failed')
  expect(refused).toMatchObject({ code: 'store-immutable', model: 'digits@2' })
  expect(refused!.reason).toBe(
    'this deployment takes no new bundles: digits@2 was pushed, and bundles.mutable is false',
  )
  expect((await readdir(settings.bundles.directory)).filter((name) => !name.startsWith('.'))).toEqual([
    'digits@1.tar.gz',
  ])
})

test('what nothing uses goes after a while, what scores stays', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const { bundles } = await ownStore({ collectAfterMs: 1_500 })
  // It is asked for before it is there, so that there is no moment in which nothing uses it.
  const used = await push(deployment, bundlePath('digits@2'))
  await deployment.worker({ bundles, model: 'digits@2' })
  const unused = await push(deployment, bundlePath('digits@3'))
  const [removed] = await until(deployment, ({ type }) => type === 'removed')
  expect(removed).toMatchObject({ model: 'digits@3', digest: unused.digest })
  expect((await readdir(bundles.directory)).filter((name) => !name.startsWith('.')).sort()).toEqual([
    'digits@1.tar.gz',
    `sha256-${used.digest}.tar.gz`,
  ])
})

test('fifty megabytes come through while records are scored', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  await deployment.worker(await ownStore())
  const files = await readBundleFiles(bundlePath('digits@2'))
  files.set(
    'bundle.json',
    Buffer.from(String(files.get('bundle.json')).replace('"version": "2"', '"version": "large"')),
  )
  // Noise does not compress, and nobody looks at it before a switch.
  files.set('postprocess.onnx', randomBytes(50 << 20))
  const archive = join(await temporaryDirectory(), 'large.tar.gz')
  await writeArchive(archive, sealFiles('large', files).files)
  const stream = deployment.stream(20, 20)
  const pushed = await push(deployment, archive)
  await until(deployment, ({ type, digest }) => type === 'stored' && digest === pushed.digest)
  await stream.end()
  await deployment.answered()
  expect(pushed.bytes).toBeGreaterThan(40 << 20)
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})

test('a push that waits ends when every worker has the bundle, and tells who does not', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  const takes = await deployment.worker(await ownStore())
  const args = ['models', 'push', bundlePath('digits@2'), '--deployment', deployment.name, '--wait']
  const { workers } = await millraceJson<{ workers: object[] }>(args)
  expect(workers).toEqual([{ worker: takes.id, stored: true, reason: expect.stringContaining('came over') }])
  const refuses = await deployment.worker(await ownStore({ mutable: false }))
  const { code, stdout } = await millrace([...args, '--timeout', '30'])
  expect(code).toBe(1)
  expect(stdout).toContain(`${takes.id}: stored`)
  expect(stdout).toContain(`${refuses.id}: this deployment takes no new bundles`)
})
