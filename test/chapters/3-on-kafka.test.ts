/** Chapter 3: a worker. The same stages between real topics, put together from a configuration. */
import { expect, inject, test } from 'vitest'
import { parseConfig } from '../../pipeline/config.js'
import { createLogger } from '../../pipeline/logging.js'
import { startWorker } from '../../pipeline/start.js'
import { createDeployment } from '../fixtures/deployment.js'
import { digitAt } from '../fixtures/digits.js'
import { testBrokers } from '../fixtures/kafka.js'

test('a worker reads the input topic of its deployment and writes predictions, one for each record', async () => {
  // The topics NAME.input, NAME.predictions, … exist before a worker starts: `millrace topics create` makes them.
  const deployment = await createDeployment({ partitions: 3 })

  // Everything else has a default. `model` scores until somebody switches.
  const config = parseConfig({
    deployment: deployment.name,
    brokers: testBrokers(),
    registry: inject('registry'),
    model: 'digits@1',
    echo: ['label'],
  })
  const logger = createLogger({ level: 'silent', pretty: false, colors: false, stream: process.stderr })
  const worker = startWorker({ config, logger })
  await worker.running

  await deployment.sendDigits(20)
  await deployment.answered()
  expect(worker.status).toMatchObject({ ready: true, model: { active: { model: 'digits@1' } } })
  await worker.stop()

  const { items } = deployment.predictions
  expect(items).toHaveLength(60)
  for (const prediction of items) {
    // A prediction says where its record was and who made it; it goes to the partition that its record came from.
    expect(prediction).toMatchObject({ topic: config.topics.input, model: 'digits@1', generation: 1, late: false })
    // What `echo` names is carried along, here the true label.
    expect(prediction.echo).toEqual({ label: digitAt(prediction.offset).label })
  }
  const right = items.filter(({ label, echo }) => label === echo.label)
  expect(right.length / items.length).toBeGreaterThan(0.8)
})

test('what is no scan goes to the dead letters, bytes untouched, and does not stop anybody', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  await deployment.worker()
  await deployment.sendDigits(1)
  await deployment.send(0, [Buffer.from('not Avro at all')])
  await deployment.sendDigits(1)
  await deployment.answered()

  expect(deployment.predictions.items.map(({ offset }) => offset)).toEqual([0, 2])
  const [letter] = deployment.deadLetters.items
  expect(String(letter!.value)).toBe('not Avro at all')
  expect(String(letter!.headers?.['millrace.error'])).toBe('not-framed')
})
