import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { expect, inject, test } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import { withAdmin } from '../../pipeline/kafka/admin.js'
import { groupStatus } from '../../pipeline/kafka/group-status.js'
import { createDeployment } from '../fixtures/deployment.js'
import { registerValues } from '../fixtures/digits.js'
import { testKafka } from '../fixtures/kafka.js'
import { roundsPerMs, slowBytes, slowSchema, storeSlowModel } from '../fixtures/slow-model.js'

/** Six seconds: a machine that others use too may stand still for three. Longer where the broker grants no shorter one. */
const sessionTimeout = async (): Promise<number> => {
  const least = await withAdmin(testKafka(), async (admin) => {
    const [broker] = (await admin.describeCluster()).brokers
    const name = String(broker!.nodeId)
    const asked = { type: kafkajs.ConfigResourceTypes.BROKER, name, configNames: ['group.min.session.timeout.ms'] }
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [asked] })
    return Number(resources[0]?.configEntries[0]?.configValue)
  })
  return Math.max(6_000, least)
}

test('a model that takes longer than the session for one batch does not cost the worker its partitions', async () => {
  const store = await mkdtemp(join(tmpdir(), 'millrace-slow-'))
  await storeSlowModel(store)
  const deployment = await createDeployment({ partitions: 1 })
  const schemaId = await registerValues(inject('registry'), deployment.topics.input, slowSchema)
  const send = (...rounds: number[]) =>
    deployment.send(
      0,
      rounds.map((one) => frame(schemaId, slowBytes(one))),
    )
  const sessionTimeoutMs = await sessionTimeout()
  const worker = await deployment.worker({
    model: 'slow@1',
    bundles: { directory: store },
    kafka: { sessionTimeoutMs, maxFetchWaitMs: 50 },
    drainTimeoutMs: 2_000,
  })
  const states: string[] = []
  worker.states.changes.subscribe(({ part, state }) => part === 'source' && states.push(state))
  const members = async () => (await groupStatus(testKafka(), deployment.name, deployment.topics.input)).members
  await send(1)
  await deployment.answered()
  const before = await members()

  // How fast it goes round here is only known afterwards: a batch that was done within a session is followed by one of twice the length.
  let rounds = Math.round(1.2 * sessionTimeoutMs * (await roundsPerMs()))
  for (let tookMs = 0; tookMs <= sessionTimeoutMs; rounds *= 2) {
    const began = performance.now()
    await send(rounds)
    await deployment.answered()
    tookMs = performance.now() - began
  }
  await send(1, 2)
  await deployment.answered()
  expect(await members()).toEqual(before)
  expect(states).toEqual([])
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  expect(deployment.deadLetters.items).toEqual([])
})
