import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ModelEvent } from '../../pipeline/messages.js'
import { signCommand } from '../../pipeline/model/command-signature.js'
import { generateKeys } from '../../pipeline/model/keys.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { paleScan, squeamish, storeDigitModel, stubborn } from '../fixtures/digit-models.js'
import { ready } from '../fixtures/part.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'
import { command } from '../fixtures/swap.js'

/** A good model and two bad ones: one that fails on half of the scans, and one that says '7' of each. */
const storeWithBadModels = async (): Promise<string> => {
  const directory = join(await temporaryDirectory(), 'store')
  await mkdir(directory)
  await copyFile('models/bundles/digits@1.tar.gz', join(directory, 'digits@1.tar.gz'))
  await storeDigitModel(directory, 'squeamish', { graph: squeamish, golden: paleScan })
  await storeDigitModel(directory, 'stubborn', { graph: stubborn })
  return directory
}

const limits = { minRecords: 60, maxErrorRate: 0.2, maxDisagreement: 0.5 }

const until = async ({ events }: Deployment, is: (event: ModelEvent) => boolean, count = 1): Promise<ModelEvent[]> => {
  await events.until((all) => all.filter(is).length >= count)
  return events.items.filter(is)
}

test('a model that fails on half of the records is rolled back by itself, by all workers and once', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  const settings = { bundles: { directory: await storeWithBadModels() }, guardrails: limits }
  const workers = [await deployment.worker(settings), await deployment.worker(settings)]
  const stream = deployment.stream(25, 10)
  await deployment.command({ action: 'SWITCH', model: 'digits@squeamish' })
  const isBack = ({ type, generation }: ModelEvent) => type === 'activated' && generation === 3
  await until(deployment, isBack, 2)
  const before = deployment.predictions.items.length
  await deployment.predictions.until((all) => all.length > before + 400)
  await stream.end()
  await deployment.answered()

  for (const { status } of workers) expect(status.model.active).toMatchObject({ model: 'digits@1', generation: 3 })
  const [tripped] = await until(deployment, ({ code }) => code === 'guardrail')
  expect(tripped).toMatchObject({ type: 'rolled-back', model: 'digits@squeamish', generation: 2 })
  expect(tripped!.command).toBe(`guardrail-${deployment.name}-2`)
  expect(tripped!.reason).toMatch(/^it fails on \d\d(\.\d)? % of \d+ records, 20 % allowed$/)
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  const last = (partition: number) => deployment.predictions.items.findLast((one) => one.partition === partition)
  for (const partition of [0, 1]) expect(last(partition)).toMatchObject({ model: 'digits@1', generation: 3 })
})

test('a shadow that says something else too often is ended, where commands have to be signed too', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const directory = await storeWithBadModels()
  const { privateKeyPem, publicKeyPem } = generateKeys()
  const keyFile = join(directory, '.guard.key')
  await writeFile(keyFile, privateKeyPem)
  const worker = await deployment.worker({
    bundles: { directory },
    // What signs for REST signs for the guardrails too, as long as they have no key of their own.
    control: { trustedKeys: [{ name: 'guard', publicKeyPem }], keyFile },
    guardrails: limits,
  })
  const stream = deployment.stream(25, 10)
  const shadow = command({ id: 'shadow', action: 'SHADOW', model: 'digits@stubborn' })
  const { signature, ...said } = signCommand(shadow, deployment.name, privateKeyPem)
  await deployment.command({ ...said, signature: signature!.toString('base64') })
  await until(deployment, ({ type, generation }) => type === 'activated' && generation === 3)
  await stream.end()
  await deployment.answered()
  const [tripped] = await until(deployment, ({ code }) => code === 'guardrail')
  expect(tripped!.reason).toMatch(/^the shadow says something else of \d\d(\.\d)? % of \d+ records, 50 % allowed$/)
  expect(worker.status.model.active).toMatchObject({ model: 'digits@1', generation: 3 })
  expect(new Set(deployment.predictions.items.map(({ model }) => model))).toEqual(new Set(['digits@1']))
})

test('a rollback that no worker would carry out is refused when the worker starts', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const directory = await temporaryDirectory()
  const [trusted, other] = [generateKeys(), generateKeys()]
  const [trustedFile, otherFile] = [join(directory, 'trusted.key'), join(directory, 'other.key')]
  await writeFile(trustedFile, trusted.privateKeyPem)
  await writeFile(otherFile, other.privateKeyPem)
  const trustedKeys = [{ name: 'release', publicKeyPem: trusted.publicKeyPem }]
  const starting = async (keyFile: string | undefined, own: string | undefined) =>
    deployment.worker({ control: { trustedKeys, keyFile }, guardrails: { ...limits, keyFile: own } })

  const refused = expect.objectContaining({ code: 'config-invalid' })
  const saying = (text: string) => expect.objectContaining({ message: expect.stringContaining(text) })
  await expect(starting(undefined, undefined)).rejects.toEqual(refused)
  await expect(starting(otherFile, undefined)).rejects.toEqual(refused)
  await expect(starting(otherFile, undefined)).rejects.toEqual(saying('control.keyFile: none of control.trustedKeys'))
  await expect(starting(trustedFile, otherFile)).rejects.toEqual(saying('guardrails.keyFile: none of '))
  await ready(await starting(otherFile, trustedFile))
})
