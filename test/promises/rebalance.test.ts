import { expect, test } from 'vitest'
import { createDeployment } from '../fixtures/deployment.js'

test('a rebalance in the middle of the work loses no record, repeats none, and keeps the order', async () => {
  const deployment = await createDeployment({ partitions: 4 })
  const first = await deployment.worker()
  const stream = deployment.stream(50, 10)
  await deployment.predictions.until((all) => all.length > 500)

  const second = await deployment.worker()
  await deployment.predictions.until(() => second.status.pipe.predictions > 500)
  await first.stop()
  const third = await deployment.worker()
  await deployment.predictions.until(() => third.status.pipe.predictions > 500)

  await stream.end()
  await deployment.answered()
  await Promise.all([second.stop(), third.stop()])
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  for (let partition = 0; partition < deployment.partitions; partition++) {
    const offsets = deployment.predictions.items.filter((one) => one.partition === partition).map((one) => one.offset)
    expect(offsets).toEqual(offsets.toSorted((one, other) => one - other))
  }
})
