/**
 * A model that takes longer than the records have, and a fallback that does not. How long that is does not matter to these tests: what the machine
 * is too slow for goes to the late topic, and the next records are asked.
 */
import { once } from 'node:events'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import type { ConfigInput } from '../../pipeline/config.js'
import type { Prediction } from '../../pipeline/messages.js'
import { openStore } from '../../pipeline/model/store.js'
import { verifiedMarks } from '../../pipeline/model/verified-marks.js'
import { millrace, millraceJson, startMillrace } from '../fixtures/cli.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { slowly, storeDigitModel } from '../fixtures/digit-models.js'
import { digitAt, digitBytes } from '../fixtures/digits.js'
import { roundsPerMs } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/** What the model takes at least, and what records have that it cannot answer: milliseconds. */
const [takesMs, shortMs] = [1_200, 700]
const roundsPerMsHere = roundsPerMs(10)

/**
 * A deployment and its settings: `digits@slow` scores, `digits@1` is its fallback. The slow one is slow at every record that is sent, but not at
 * its golden case, so that it is there at once; what it costs is known from before.
 */
const createSlow = async (more: Partial<ConfigInput> = {}) => {
  const directory = await temporaryDirectory()
  for (const ref of ['digits@1', 'digits@2'])
    await copyFile(`models/bundles/${ref}.tar.gz`, join(directory, `${ref}.tar.gz`))
  await storeDigitModel(directory, 'slow', { graph: slowly(Math.round(takesMs * (await roundsPerMsHere)), true) })
  const { digest } = await openStore(directory).find('digits@slow')
  await verifiedMarks(directory).add(digest, [{ rows: 1, runs: 1, p50Ms: takesMs, p99Ms: takesMs }])
  const deployment = await createDeployment({ partitions: 2 })
  const settings = {
    model: 'digits@slow',
    bundles: { directory },
    batch: { maxRecords: 1 },
    deadline: { class: 'firm', ms: 600_000, fallback: 'digits@1' },
    ...more,
  } satisfies Partial<ConfigInput>
  return { directory, deployment, settings }
}

const glare = Array(64).fill(17)

const sendWithin = ({ send, schemaId, sent }: Deployment, partition: number, ms: number) =>
  send(partition, [frame(schemaId, digitBytes({ ...digitAt(sent[partition]!), pixels: glare }))], {
    headers: { 'millrace.deadline': String(Date.now() + ms) },
  })

/** Sends to every partition what only the fallback can answer, until told to end; then resolves. */
const hurry = (deployment: Deployment) => {
  let over = false
  const sending = (async () => {
    while (!over) {
      await Promise.all([0, 1].map((partition) => sendWithin(deployment, partition, shortMs)))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  const end = async () => {
    over = true
    await sending
  }
  onTestFinished(end)
  return { end }
}

const answeredBy =
  (model: string, generation: number, count = 1) =>
  (all: readonly Prediction[]) =>
    all.filter((one) => one.model === model && one.generation === generation).length >= count

/** The audit, told of the fallback. */
const audit = ({ name }: Deployment, directory: string) =>
  millraceJson(['verify', '--deployment', name, '--bundles', directory, '--fallback', 'digits@1'])

const faultless = ({ predictions, late }: Deployment) => ({
  equal: predictions.items.length,
  elsewhere: late.items.length,
  missing: 0,
  duplicates: 0,
  unequal: 0,
})

test('what the model cannot answer in time its fallback does, and the prediction names it', async () => {
  const { deployment, directory, settings } = await createSlow()
  const worker = await deployment.worker(settings)
  // One for the model, which takes longer than the others have.
  await sendWithin(deployment, 0, 600_000)
  await deployment.answered()
  const { predictions } = deployment
  while (predictions.items.length < 3) {
    await sendWithin(deployment, 0, shortMs)
    await deployment.answered()
  }
  expect(predictions.items.map(({ model, generation }) => [model, generation])).toEqual([
    ['digits@slow', 1],
    ['digits@1', 1],
    ['digits@1', 1],
  ])
  await worker.stop()
  // A prediction can be read before the worker knows that it is there: it is counted at the latest when the worker has stopped.
  expect(worker.status.fallback).toMatchObject({ model: 'digits@1', records: 2 })
  // Whoever is not told of a fallback asks who that was.
  const newest = ['--partition', '0', '--last', '1', '--bundles', directory]
  const untold = await millrace(['verify', '--deployment', deployment.name, ...newest])
  expect([untold.code, untold.stdout]).toEqual([1, expect.stringMatching(/model: digits@1 .* name it: --fallback/s)])
})

test('exactly once, a crash while the fallback answers loses nothing, and nothing is there twice', async () => {
  const { deployment, directory, settings } = await createSlow({ delivery: 'exactly-once' })
  const { predictions } = deployment
  const config = join(directory, 'worker.json')
  await writeFile(config, JSON.stringify({ ...deployment.settings, ...settings }))
  const crashing = startMillrace(['run', '--config', config])
  const stream = hurry(deployment)
  // Transactions are open nearly all of the time.
  await predictions.until(answeredBy('digits@1', 1, 10))
  crashing.child.kill('SIGKILL')
  await once(crashing.child, 'exit')
  await stream.end()

  const worker = await deployment.worker(settings)
  await deployment.answered()
  const again = hurry(deployment)
  const before = predictions.items.filter(({ model }) => model === 'digits@1').length
  await predictions.until(answeredBy('digits@1', 1, before + 10))
  await again.end()
  await deployment.answered()
  await worker.stop()
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  expect(deployment.deadLetters.items).toEqual([])
  expect(await audit(deployment, directory)).toMatchObject(faultless(deployment))
})

test('through a shadow, a canary and a switch the fallback goes on: each answer is of the generation in force, and nothing of it is lost', async () => {
  const { deployment, directory, settings } = await createSlow({ delivery: 'exactly-once' })
  const { predictions, command } = deployment
  const worker = await deployment.worker(settings)
  const stream = hurry(deployment)
  await predictions.until(answeredBy('digits@1', 1, 5))

  await command({ action: 'SHADOW', model: 'digits@2' })
  await predictions.until(answeredBy('digits@1', 2, 5))
  // What the model answers is compared; what the fallback does is not, and is counted as that.
  await sendWithin(deployment, 0, 600_000)
  await expect.poll(() => worker.status.shadow).toMatchObject({ candidate: 'digits@2', compared: 1 })
  const { skipped } = worker.status.shadow!
  await expect.poll(() => worker.status.shadow!.skipped).toBeGreaterThan(skipped)
  expect(worker.status.shadow!.compared).toBe(1)

  await command({ action: 'CANARY', model: 'digits@2', percent: 50 })
  await predictions.until(answeredBy('digits@1', 3, 5))
  // Of what has time, each model of the canary answers its own keys.
  while (!answeredBy('digits@2', 3)(predictions.items)) {
    const { length } = predictions.items
    await sendWithin(deployment, 1, 600_000)
    await predictions.until((all) => all.slice(length).some(({ model }) => model !== 'digits@1'))
  }

  const switched = await millrace(['switch', 'digits@2', '--wait', '--deployment', deployment.name])
  expect([switched.code, switched.stdout]).toEqual([0, expect.stringContaining('digits@2 scores everywhere')])
  // It needs none.
  await predictions.until(answeredBy('digits@2', 4, 5))
  await stream.end()
  await deployment.answered()
  await worker.stop()

  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  expect(deployment.deadLetters.items).toEqual([])
  for (const partition of [0, 1]) {
    const own = predictions.items.filter((one) => one.partition === partition)
    const generations = own.map(({ generation }) => generation)
    expect(generations).toEqual(generations.toSorted((one, other) => one - other))
    const offsets = own.map(({ offset }) => offset)
    expect(offsets).toEqual(offsets.toSorted((one, other) => one - other))
  }
  expect(await audit(deployment, directory)).toMatchObject({ ...faultless(deployment), generations: [1, 2, 3, 4] })
})
