import { expect, inject, test } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import type { ConfigInput } from '../../pipeline/config.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { digitRecord, registerValues } from '../fixtures/digits.js'
import { committedOffset } from '../fixtures/kafka.js'
import { roundsPerMs, slowBytes, slowSchema, storeSlowModel } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const minute = 60_000

/** Six records: in time, too old, in time, past its own deadline, too old whatever its own deadline, in time. */
const sendSix = async ({ send, schemaId, sent }: Deployment) => {
  const next = () => [digitRecord(schemaId, sent[0]!)]
  const header = (at: number) => ({ 'millrace.deadline': String(at) })
  await send(0, next())
  await send(0, next(), { timestamp: Date.now() - 3 * minute })
  await send(0, next())
  await send(0, next(), { headers: header(Date.now() - 1_000) })
  await send(0, next(), { timestamp: Date.now() - 3 * minute, headers: header(Date.now() + minute) })
  await send(0, next())
}

test.each<ConfigInput['delivery']>(['at-least-once', 'exactly-once'])(
  'what is past its firm deadline goes to the late topic instead of the model, %s',
  async (delivery) => {
    const deployment = await createDeployment({ partitions: 1 })
    await sendSix(deployment)
    const worker = await deployment.worker({ delivery, deadline: { class: 'firm', ms: minute } })
    await deployment.answered()
    await worker.stop()

    expect(deployment.predictions.items.map(({ offset, late }) => [offset, late])).toEqual([
      [0, false],
      [2, false],
      [5, false],
    ])
    expect(deployment.account()).toEqual({ missing: [], repeated: [] })
    expect(worker.status.deadline).toMatchObject({ class: 'firm', records: 6, missed: { admission: 3, inference: 0 } })
    expect(deployment.deadLetters.items).toEqual([])
    const { topics, late, name } = deployment
    expect(late.items.map(({ offset }) => offset)).toEqual([1, 3, 4])
    for (const { deadline, missedByMs, at, ...said } of late.items) {
      expect(said).toMatchObject({
        topic: topics.input,
        partition: 0,
        model: 'digits@1',
        generation: 1,
        stage: 'admission',
      })
      expect(missedByMs).toBeGreaterThan(900)
      expect(at).toBeGreaterThanOrEqual(deadline + missedByMs - 1)
    }
    expect(await committedOffset(name, topics.input, 0)).toBeGreaterThanOrEqual(6)
  },
)

test('what was begun in time and is too late once it is scored is withheld, and what comes after it is not', async () => {
  const directory = await temporaryDirectory()
  await storeSlowModel(directory)
  const deployment = await createDeployment({ partitions: 1 })
  const schemaId = await registerValues(inject('registry'), deployment.topics.input, slowSchema)
  const send = (rounds: number, over?: Partial<OutgoingRecord>) =>
    deployment.send(0, [frame(schemaId, slowBytes(rounds))], over)
  const worker = await deployment.worker({
    model: 'slow@1',
    bundles: { directory },
    batch: { maxRecords: 1 },
    deadline: { class: 'firm', ms: 60 * minute },
  })
  await send(1)
  await deployment.answered()

  // How fast it goes round here is only known afterwards: what was done in time is followed by what takes twice as long.
  const withinMs = 3_000
  for (let rounds = Math.round(withinMs * (await roundsPerMs())); deployment.late.items.length === 0; rounds *= 2) {
    await send(rounds, { headers: { 'millrace.deadline': String(Date.now() + withinMs) } })
    await deployment.answered()
  }
  await send(1)
  await deployment.answered()
  await worker.stop()

  const last = deployment.sent[0]! - 1
  expect(deployment.predictions.items.map(({ offset }) => offset)).toEqual([
    ...Array.from({ length: last - 1 }, (_, offset) => offset),
    last,
  ])
  const [withheld] = deployment.late.items
  expect(withheld).toMatchObject({ offset: last - 1, stage: 'inference', model: 'slow@1' })
  expect(withheld!.missedByMs).toBeGreaterThan(0)
  expect(worker.status.deadline).toMatchObject({ missed: { admission: 0, inference: 1 } })
  expect(await committedOffset(deployment.name, deployment.topics.input, 0)).toBeGreaterThanOrEqual(last + 1)
})

test('what is past its soft deadline is scored all the same, and says so', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  await sendSix(deployment)
  const worker = await deployment.worker({ deadline: { class: 'soft', ms: minute } })
  await deployment.answered()
  await worker.stop()
  expect(deployment.predictions.items.map(({ late }) => late)).toEqual([false, true, false, true, true, false])
  expect(deployment.late.items).toEqual([])
  expect(worker.status.deadline).toMatchObject({ class: 'soft', records: 6, missed: { admission: 0, inference: 3 } })
})
