import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ModelEvent } from '../../pipeline/messages.js'
import { generateKeys } from '../../pipeline/model/keys.js'
import { signBundle } from '../../pipeline/model/signature.js'
import { openStore } from '../../pipeline/model/store.js'
import { verifiedMarks } from '../../pipeline/model/verified-marks.js'
import { millraceJson } from '../fixtures/cli.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { storeDigitModel, stubborn } from '../fixtures/digit-models.js'
import { digitRecord } from '../fixtures/digits.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const short = { measureMs: 0, batchSizes: [1], replayRecords: 50 }

/** A store with some of the shipped bundles. */
const storeWith = async (...refs: readonly string[]): Promise<string> => {
  const directory = join(await temporaryDirectory(), 'store')
  await mkdir(directory)
  for (const ref of refs) await copyFile(`models/bundles/${ref}.tar.gz`, join(directory, `${ref}.tar.gz`))
  return directory
}

/** The first event of the type about the model, and what it says. */
const said = async ({ events }: Deployment, type: string, model: string): Promise<ModelEvent> => {
  const is = (event: ModelEvent) => event.type === type && event.model === model
  await events.until((all) => all.some(is))
  return events.items.find(is)!
}

test('before a switch the newest records go through both models, and the event says how far they agree', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  await deployment.worker({ verification: short })
  const { schemaId } = deployment
  const scans = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => digitRecord(schemaId, from + index))
  const now = Date.now()
  await deployment.send(0, scans(0, 30), { timestamp: now - 2_000 })
  await deployment.send(0, scans(30, 40), { timestamp: now - 1_000 })
  await deployment.send(1, scans(0, 40), { timestamp: now })
  await deployment.send(0, [Buffer.from('no Avro'), null])
  await deployment.answered()
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  const { reason } = await said(deployment, 'prepared', 'digits@2')
  expect(reason).toMatch(/writers: reads all 1 schemas of the input; golden: 10 cases agree; replay: agrees on /)
  // The newest fifty that can be read: the last ten of one partition and all of the other. The two models differ on five of them.
  expect(reason).toMatch(/replay: agrees on 90 % of 50 records/)
})

test('the command line puts a bundle through the same gates as the workers of a deployment', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  await deployment.worker()
  await deployment.sendDigits(40)
  await deployment.answered()
  const { ok, gates } = await millraceJson<{ ok: boolean; gates: { gate: string; detail: string }[] }>([
    'models',
    'verify',
    'digits@2',
    '--deployment',
    deployment.name,
  ])
  expect(ok).toBe(true)
  expect(gates).toContainEqual(expect.objectContaining({ gate: 'writers', detail: 'reads all 1 schemas of the input' }))
  expect(gates).toContainEqual(
    expect.objectContaining({
      gate: 'replay',
      detail: expect.stringMatching(/^agrees on \d+(\.\d+)? % of 40 records$/),
    }),
  )
})

test('a model that says something else than the active one too often is refused, and so is one that cannot read every version', async () => {
  const directory = await storeWith('digits@1')
  await storeDigitModel(directory, 'stubborn', { graph: stubborn })
  await storeDigitModel(directory, 'picky', { graph: stubborn, fields: [{ name: 'ward', type: 'string' }] })
  const deployment = await createDeployment({ partitions: 1 })
  const worker = await deployment.worker({
    bundles: { directory },
    verification: { ...short, requiredAgreement: 0.9 },
  })
  await deployment.sendDigits(50)
  await deployment.answered()
  await deployment.command({ action: 'SWITCH', model: 'digits@stubborn' })
  expect(await said(deployment, 'failed', 'digits@stubborn')).toMatchObject({
    code: 'replay-disagrees',
    reason: expect.stringMatching(/: replay: agrees on \d+ % of 50 records; 90 % required$/),
  })
  await deployment.command({ action: 'SWITCH', model: 'digits@picky' })
  expect(await said(deployment, 'failed', 'digits@picky')).toMatchObject({
    code: 'schema-unresolved',
    reason: expect.stringMatching(/: writers: version 1 \(id \d+\) of 1: .*ward/),
  })
  expect(worker.status.model.active?.model).toBe('digits@1')
})

test('a model that is not through in time is given up, and the stream goes on', async () => {
  const directory = await storeWith('digits@1', 'digits@2')
  const others = await createDeployment({ partitions: 1 })
  await others.worker({ bundles: { directory }, verification: short })
  const deployment = await createDeployment({ partitions: 1 })
  // The first model was verified on this machine a moment ago; for the second there is no time.
  await deployment.worker({ bundles: { directory }, verification: { ...short, timeoutMs: 1 } })
  const stream = deployment.stream(20, 10)
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  const { code, reason } = await said(deployment, 'failed', 'digits@2')
  const before = deployment.predictions.items.length
  await deployment.predictions.until((all) => all.length > before + 100)
  await stream.end()
  await deployment.answered()
  expect([code, reason]).toEqual(['verification-late', expect.stringMatching(/: not done after 1 ms$/)])
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})

test('a start needs no second verification of what this machine has verified, nor one of what the group has settled on', async () => {
  const directory = await storeWith('digits@1', 'digits@2')
  const deployment = await createDeployment({ partitions: 1 })
  const settings = { bundles: { directory }, verification: short }
  const first = await deployment.worker(settings)
  expect((await said(deployment, 'prepared', 'digits@1')).reason).toMatch(/limits: \d+ ms/)
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await said(deployment, 'activated', 'digits@2')
  await deployment.sendDigits(10)
  await deployment.answered()
  await first.stop()
  const preparedBy = (id: string) => (event: ModelEvent) => event.type === 'prepared' && event.worker === id
  const again = await deployment.worker(settings)
  await deployment.events.until((all) => all.some(preparedBy(again.id)))
  expect(deployment.events.items.find(preparedBy(again.id))).toMatchObject({
    model: 'digits@2',
    reason: 'golden: 10 cases agree',
  })
  await again.stop()

  // Elsewhere it is tried whether it can run, but what it says is not in question any more.
  const elsewhere = await deployment.worker({
    bundles: { directory: await storeWith('digits@1', 'digits@2') },
    verification: { ...short, requiredAgreement: 1 },
  })
  await deployment.events.until((all) => all.some(preparedBy(elsewhere.id)))
  const { reason } = deployment.events.items.find(preparedBy(elsewhere.id))!
  expect(reason).toMatch(/limits: \d+ ms/)
  expect(reason).not.toMatch(/writers|replay|budget/)
})

test('what a bundle costs is measured when it is verified, and whoever loads it again knows it at once, unless a deadline asks for more', async () => {
  const directory = await storeWith('digits@1')
  const deployment = await createDeployment({ partitions: 1 })
  const { digest } = await openStore(directory).find('digits@1')
  const marks = verifiedMarks(directory)
  const settings = { bundles: { directory }, verification: short, batch: { maxRecords: 64 } }
  const known = async () => (await marks.of(digest))?.costs ?? []
  const sizes = async () => (await known()).map(({ rows }) => rows)

  await (await deployment.worker(settings)).stop()
  expect(await sizes()).toEqual([1])
  const withDeadline = { ...settings, deadline: { class: 'soft', ms: 60_000 } } as const
  await (await deployment.worker(withDeadline)).stop()
  expect(await sizes()).toEqual([1, 64])

  await marks.add(
    digest,
    (await known()).map((cost) => ({ ...cost, runs: 77 })),
  )
  const again = await deployment.worker(withDeadline)
  await deployment.sendDigits(1)
  await deployment.answered()
  const [{ stages }] = again.status.stageCosts as [(typeof again.status.stageCosts)[number]]
  expect(stages[0]?.table).toMatchObject([
    { rows: 1, batches: 1 },
    { rows: 64, batches: 77 },
  ])
})

test('where keys are trusted, a bundle that nobody signed is refused', async () => {
  const directory = await storeWith('digits@1', 'digits@2')
  const { privateKeyPem, publicKeyPem } = generateKeys()
  await signBundle(join(directory, 'digits@1.tar.gz'), privateKeyPem)
  const deployment = await createDeployment({ partitions: 1 })
  const worker = await deployment.worker({
    bundles: { directory, trustedKeys: [{ name: 'release', publicKeyPem }] },
    verification: short,
  })
  expect((await said(deployment, 'prepared', 'digits@1')).reason).toContain('signature: signed by release')
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  expect(await said(deployment, 'failed', 'digits@2')).toMatchObject({ code: 'signature-missing' })
  expect(worker.status.model.active?.model).toBe('digits@1')
})
