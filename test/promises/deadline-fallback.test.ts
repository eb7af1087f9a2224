import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createDeployment } from '../fixtures/deployment.js'
import { slowly, storeDigitModel } from '../fixtures/digit-models.js'
import { digitRecord } from '../fixtures/digits.js'
import { roundsPerMs } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

test('what the model cannot answer in time its fallback does, and the prediction names it', async () => {
  const directory = await temporaryDirectory()
  await copyFile('models/bundles/digits@1.tar.gz', join(directory, 'digits@1.tar.gz'))
  await storeDigitModel(directory, 'slow', { graph: slowly(Math.round(2_400 * (await roundsPerMs(10)))) })
  const deployment = await createDeployment({ partitions: 1 })
  const worker = await deployment.worker({
    model: 'digits@slow',
    bundles: { directory },
    // Costs are measured of one size.
    batch: { maxRecords: 1 },
    deadline: { class: 'firm', ms: 600_000, fallback: 'digits@1' },
  })
  const send = (withinMs: number) =>
    deployment.send(0, [digitRecord(deployment.schemaId, 0)], {
      headers: { 'millrace.deadline': String(Date.now() + withinMs) },
    })
  // One for the model, which takes longer than the next has.
  await send(600_000)
  await deployment.answered()
  await send(1_200)
  await deployment.answered()
  expect(deployment.predictions.items.map(({ offset, model, generation }) => [offset, model, generation])).toEqual([
    [0, 'digits@slow', 1],
    [1, 'digits@1', 1],
  ])
  expect(deployment.late.items).toEqual([])
  expect(worker.status.fallbackRecords).toBe(1)
})
