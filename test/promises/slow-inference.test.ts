import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import { groupStatus } from '../../pipeline/kafka/group-status.js'
import { createDeployment } from '../fixtures/deployment.js'
import { registerValues } from '../fixtures/digits.js'
import { testKafka } from '../fixtures/kafka.js'
import { roundsPerMs, slowBytes, slowSchema, storeSlowModel } from '../fixtures/slow-model.js'

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
  const worker = await deployment.worker({ model: 'slow@1', bundles: { directory: store } })
  const states: string[] = []
  worker.states.changes.subscribe(({ part, state }) => part === 'source' && states.push(state))
  const members = async () => (await groupStatus(testKafka(), deployment.name, deployment.topics.input)).members
  await send(1)
  await deployment.answered()
  const before = await members()

  const sessionMs = deployment.settings.kafka!.sessionTimeoutMs!
  const perMs = await roundsPerMs()
  // It may have been measured among others on the machine and go faster now: then it is given more to do.
  for (let [ms, took] = [1.5 * sessionMs, 0]; took <= sessionMs; ms *= 1.5) {
    const began = performance.now()
    await send(Math.round(ms * perMs))
    await deployment.answered()
    took = performance.now() - began
  }
  await send(1, 2)
  await deployment.answered()
  expect(await members()).toEqual(before)
  expect(states).toEqual([])
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  expect(deployment.deadLetters.items).toEqual([])
})
