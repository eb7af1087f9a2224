import { expect, test } from 'vitest'
import type { ConfigInput } from '../../pipeline/config.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { digitRecord } from '../fixtures/digits.js'
import { committedOffset } from '../fixtures/kafka.js'

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
