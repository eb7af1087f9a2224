import { createClient, createPipeline, type ModelEvent } from 'millrace'
import { expect, inject, onTestFinished, test } from 'vitest'
import { digitSchema, digits } from '../../fixtures/digits.js'
import { testBrokers, uniqueName } from '../../fixtures/kafka.js'

const settingsOf = (deployment: string) => ({ deployment, brokers: testBrokers(), registry: inject('registry') })

const clientOf = (deployment: string) => {
  const client = createClient(settingsOf(deployment))
  onTestFinished(() => client.close())
  return client
}

test('a deployment from outside: what is sent is scored, a switch that cannot be is told by every worker, a rollback comes back', async () => {
  const deployment = uniqueName('client')
  const client = clientOf(deployment)
  const created = await client.createTopics({ partitions: 2 })
  expect(new Set(created.map(({ result }) => result))).toEqual(new Set(['created']))
  await expect(client.produce(digits.slice(0, 1))).rejects.toMatchObject({ code: 'record-invalid' })

  const pipeline = createPipeline({
    ...settingsOf(deployment),
    model: 'digits@1',
    id: 'embedded',
    drainTimeoutMs: 5_000,
    verification: { inChild: false },
    http: { enabled: true, port: 0 },
  })
  onTestFinished(() => pipeline.stop())
  const said: ModelEvent[] = []
  pipeline.events.subscribe((event) => said.push(event))
  expect(pipeline.status()).toBeUndefined()
  await pipeline.start()
  await expect(pipeline.start()).rejects.toThrow('once')
  // It has joined; a topic that the broker has only just made may still be waited for.
  await expect.poll(async () => (await fetch(`${pipeline.url}/readyz`)).status).toBe(200)

  const produced = await client.produce(digits.slice(0, 50), { schema: digitSchema, key: 'id' })
  expect(produced).toMatchObject({ topic: `${deployment}.input`, records: 50, leftOut: [] })
  // The schema is registered now. What comes before a record that does not fit is sent.
  const spoilt = [{ ...digits[50], page: 3 }, { id: 'no scan' }]
  await expect(client.produce<object>(spoilt)).rejects.toMatchObject({ code: 'record-invalid' })

  const models: string[] = []
  for await (const { model } of client.predictions({ from: 'beginning' })) if (models.push(model) === 51) break
  expect(new Set(models)).toEqual(new Set(['digits@1']))

  const refused = await client.switchTo('digits@9', { wait: true }).catch((error) => error)
  expect(refused).toMatchObject({ code: 'switch-refused', detail: expect.stringContaining('embedded: ') })
  expect(refused.cause).toMatchObject({ ok: false, outcome: 'aborted', workers: [{ id: 'embedded' }] })
  const seen = new Set<string>()
  const onProgress = ({ phase }: { phase: string }) => seen.add(phase)
  const switched = await client.switchTo('digits@2', { wait: true, onProgress })
  expect([switched.generation, [...seen]]).toEqual([2, ['preparing', 'activating', 'done']])
  expect(await client.rollback({ wait: true })).toMatchObject({ ok: true, model: 'digits@1', generation: 3 })
  const { command } = await client.switchTo('digits@3')
  for await (const event of client.events({ from: 'beginning' }))
    if (event.type === 'activated' && event.command === command) break
  const status = await client.status()
  expect(status).toMatchObject({ model: { model: 'digits@3', generation: 4 }, workers: [{ worker: 'embedded' }] })

  await pipeline.stop()
  await pipeline.finished
  // From the first word on, though REST and the page had to be loaded meanwhile.
  expect(said[0]).toMatchObject({ type: 'loading', model: 'digits@1' })
  expect(said.map(({ type }) => type)).toEqual(expect.arrayContaining(['joined', 'activated', 'rolled-back', 'left']))
})

test('a client that is closed ends what it reads', async () => {
  const client = clientOf(uniqueName('closing'))
  await client.createTopics({ partitions: 1 })
  const reading = client.predictions()
  const next = reading.next()
  await client.close()
  expect(await next).toEqual({ done: true, value: undefined })
})

test('a pipeline that cannot start says why and leaves nothing behind; one that was never started stops', async () => {
  expect(() => createPipeline({ ...settingsOf('x'), credits: { records: 1 } })).toThrow('credits.records')
  const idle = createPipeline(settingsOf('idle'))
  await idle.stop()
  await idle.finished
  const keyless = { control: { trustedKeys: ['no such file.pub'] } }
  const failing = createPipeline({ ...settingsOf(uniqueName('failing')), ...keyless })
  await expect(failing.start()).rejects.toMatchObject({ code: 'file-unreadable' })
  await expect(failing.finished).rejects.toMatchObject({ code: 'file-unreadable' })
  await failing.stop()
})
