import { copyFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import type { DeploymentStatus } from '../../pipeline/client/deployment-status.js'
import { millrace, millraceJson } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { digitAt, digitBytes, digitSchema, registerValues } from '../fixtures/digits.js'
import { startOwnBroker } from '../fixtures/own-broker.js'
import { part, ready } from '../fixtures/part.js'
import { copyStore } from '../fixtures/store.js'
import { startTcpProxy } from '../fixtures/tcp-proxy.js'

/** A door in front of the schema registry, and the URL that leads through it. */
const startDoor = async (options?: { open: boolean }) => {
  const { host, pathname } = new URL(inject('registry'))
  const door = await startTcpProxy(host, options)
  return { door, url: `http://${door.address}${pathname}` }
}

test('the registry may be down when a worker starts: it waits, says so, and then scores everything', async () => {
  const { door, url } = await startDoor({ open: false })
  const deployment = await createDeployment()
  await deployment.sendDigits(50)
  const [worker, other] = [deployment.start({ registry: url }), deployment.start({ registry: url })]
  await part(worker, 'registry', 'waiting')
  expect(worker.status.ready).toBe(false)

  // Kafka is there, so they are seen from outside, by who reaches the registry and by who does not either; who stops waiting is gone.
  const said = (type: string) =>
    deployment.events.until((all) =>
      [worker, other].every(({ id }) => all.some((one) => one.worker === id && one.type === type)),
    )
  await said('waiting')
  await other.stop()
  const look = (registry: string) =>
    millraceJson<DeploymentStatus>(['status'], {
      environment: { MILLRACE_DEPLOYMENT: deployment.name, MILLRACE_REGISTRY: registry },
    })
  const unreachable = expect.stringMatching(/the schema registry cannot be reached: .* Check the address and that the/)
  for (const registry of [inject('registry'), url])
    expect(await look(registry)).toMatchObject({
      registry: null,
      workers: [{ worker: worker.id, host: null, partitions: [], waiting: unreachable }],
      lag: 100,
    })

  door.restore()
  await deployment.answered()
  await ready(worker)
  const { registry, model, workers } = await look(inject('registry'))
  expect([registry, model?.model]).toEqual([null, 'digits@1'])
  expect(workers).toMatchObject([{ worker: worker.id, partitions: [0, 1], model: 'digits@1', waiting: null }])
  // What is written in Avro cannot be read now, and what is left is no reason to think that anybody waits.
  door.cut()
  expect(await look(url)).toMatchObject({
    registry: unreachable,
    model: null,
    group: { state: 'Stable' },
    workers: [{ worker: worker.id, partitions: [0, 1], model: null, waiting: null, last: null }],
  })
  await door.close()
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  expect(deployment.deadLetters.items).toEqual([])
})

test('the registry may go away in the middle: known schemas are scored on, an unknown one is waited for', async () => {
  const { door, url } = await startDoor()
  const deployment = await createDeployment({ partitions: 2 })
  const worker = await deployment.worker({ registry: url })
  await deployment.sendDigits(10)
  await deployment.answered()
  door.cut()
  await deployment.sendDigits(10)
  await deployment.answered()

  const fields = [...digitSchema.fields, { name: 'scanner', type: 'string', default: '' }]
  const newer = await registerValues(inject('registry'), deployment.topics.input, { ...digitSchema, fields })
  const noScanner = Buffer.from([0])
  await deployment.send(0, [frame(newer, Buffer.concat([digitBytes(digitAt(0)), noScanner]))])
  await deployment.send(0, [null])
  await part(worker, 'registry', 'waiting')
  door.restore()
  await deployment.answered()
  await door.close()
  expect(deployment.predictions.items).toHaveLength(41)
  expect(deployment.deadLetters.items.map(({ headers }) => String(headers?.['millrace.error']))).toEqual(['tombstone'])
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})

test('the model may not be in the store when a worker starts: it waits, `millrace status` says so, and it scores once it is', async () => {
  const directory = await copyStore('digits@2')
  const deployment = await createDeployment({ partitions: 1 })
  await deployment.sendDigits(5)
  const worker = deployment.start({ bundles: { directory } })
  const { detail } = await part(worker, 'model', 'waiting')
  expect(detail).toMatch(/^generation 1 needs digits@1: no such bundle in the store: .* See `millrace models list`\.$/)
  expect(worker.status.ready).toBe(false)
  await worker.running
  await deployment.events.until((all) => all.some(({ type }) => type === 'waiting'))
  const environment = { MILLRACE_DEPLOYMENT: deployment.name }
  const { stdout } = await millrace(['status'], { environment })
  expect(stdout).toMatch(/waits: model: generation 1 needs digits@1: no such bundle in the store/)

  await copyFile('models/bundles/digits@1.tar.gz', join(directory, 'digits@1.tar.gz'))
  await deployment.answered()
  await ready(worker)
  await deployment.events.until((all) => all.some(({ type }) => type === 'resumed'))
  const status = await millraceJson<DeploymentStatus>(['status'], { environment })
  expect(status.workers).toMatchObject([{ waiting: null, model: 'digits@1' }])
})

test('the store may go away in the middle: the model goes on, a switch is refused for that, and works once it is back', async () => {
  const directory = await copyStore('digits@1', 'digits@2')
  const deployment = await createDeployment({ partitions: 1 })
  const worker = await deployment.worker({ bundles: { directory } })
  await deployment.sendDigits(5)
  await deployment.answered()
  await rename(directory, `${directory}-away`)
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await deployment.events.until((all) => all.some(({ type }) => type === 'failed'))
  expect(deployment.events.items.find(({ type }) => type === 'failed')).toMatchObject({
    code: 'file-unreadable',
    reason: expect.stringContaining(directory),
  })
  await deployment.sendDigits(5)
  await deployment.answered()
  expect(worker.status.ready).toBe(true)

  await rename(`${directory}-away`, directory)
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await deployment.events.until((all) => all.some(({ type, model }) => type === 'activated' && model === 'digits@2'))
  await deployment.sendDigits(5)
  await deployment.answered()
  expect(deployment.predictions.items.map(({ model }) => model)).toEqual([
    ...Array(10).fill('digits@1'),
    ...Array(5).fill('digits@2'),
  ])
})

test('a stop while the broker is silent ends soon after the drain time, and whoever comes next goes on', async () => {
  const broker = await startOwnBroker()
  const deliveries = ['at-least-once', 'exactly-once'] as const
  const running = await Promise.all(
    deliveries.map(async (delivery) => {
      const deployment = await createDeployment({ brokers: [broker.brokers] })
      const worker = await deployment.worker({ delivery })
      const stream = deployment.stream(10, 10)
      await deployment.predictions.until((all) => all.length > 100)
      return { delivery, deployment, worker, stream }
    }),
  )
  broker.pause()
  const began = performance.now()
  const took = await Promise.all(
    running.map(async ({ delivery, deployment, worker }) => {
      await worker.stop()
      return [delivery, performance.now() - began - deployment.settings.drainTimeoutMs!] as const
    }),
  )
  broker.resume()
  for (const [delivery, beyondMs] of took) expect(beyondMs, delivery).toBeLessThan(15_000)
  for (const { delivery, deployment, stream } of running) {
    await stream.end()
    await deployment.worker({ delivery })
    await deployment.answered()
    expect(deployment.account().missing).toEqual([])
    if (delivery === 'exactly-once') expect(deployment.account().repeated).toEqual([])
  }
})

test('the broker may be killed and come back in the middle: the same worker goes on, and no record is lost', async () => {
  const broker = await startOwnBroker()
  const deployment = await createDeployment({ brokers: [broker.brokers] })
  const worker = await deployment.worker()
  const stream = deployment.stream(50, 10)
  await deployment.predictions.until((all) => all.length > 500)
  await broker.kill()
  // The source always has a request out, so it always notices; the publisher does only if there was something to publish.
  await part(worker, 'source', 'waiting')
  await part(worker, 'control', 'waiting')
  await broker.start()
  const before = deployment.predictions.items.length
  await deployment.predictions.until((all) => all.length > before + 500)
  await stream.end()
  await deployment.answered()
  await ready(worker)
  await part(worker, 'control', 'running')
  await part(worker, 'fences', 'running')
  expect(deployment.account().missing).toEqual([])
  expect(deployment.deadLetters.items).toEqual([])
})
