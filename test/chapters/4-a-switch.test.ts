/** Chapter 4: a switch. Another model takes over under the running stream, and the logs say from which record on. */
import { expect, test } from 'vitest'
import { createDeployment } from '../fixtures/deployment.js'

test('one message on the control topic switches the model; every prediction says which one it was', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  const worker = await deployment.worker()
  await deployment.sendDigits(5)
  await deployment.answered()

  // JSON is enough: `millrace switch`, kcat, anything that can write to a topic.
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })

  // The worker loads the bundle beside the one that scores, tries it, and says on the events topic how it goes.
  await deployment.events.until((events) =>
    events.some(({ type, model }) => `${type} ${model}` === 'activated digits@2'),
  )
  const story = deployment.events.items.filter(({ model }) => model === 'digits@2').map(({ type }) => type)
  expect(story).toEqual(['loading', 'verifying', 'prepared', 'activated'])

  await deployment.sendDigits(5)
  await deployment.answered()

  // The first record that the new generation scores in a partition is its fence. Generations only grow, and no batch mixes two.
  for (const partition of [0, 1]) {
    const predictions = deployment.predictions.items.filter((one) => one.partition === partition)
    expect(predictions.map(({ offset, generation, model }) => [offset, generation, model])).toEqual([
      ...[0, 1, 2, 3, 4].map((offset) => [offset, 1, 'digits@1']),
      ...[5, 6, 7, 8, 9].map((offset) => [offset, 2, 'digits@2']),
    ])
  }
  expect(worker.status.model.previous?.model).toBe('digits@1')
})

test('a worker that comes later reads the logs and goes on with the model that the deployment agreed on', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const first = await deployment.worker()
  await deployment.command({ action: 'SWITCH', model: 'digits@3' })
  await deployment.events.until((events) =>
    events.some(({ type, model }) => `${type} ${model}` === 'activated digits@3'),
  )
  await deployment.sendDigits(3)
  await deployment.answered()
  await first.stop()

  // Its configuration still says digits@1; the control log knows better.
  await deployment.sendDigits(3)
  await deployment.worker()
  await deployment.answered()
  expect(new Set(deployment.predictions.items.map(({ model }) => model))).toEqual(new Set(['digits@3']))
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})
