import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { millrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { slowly, storeDigitModel, stubborn } from '../fixtures/digit-models.js'
import { roundsPerMs } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const budget = (kind: string, budgetMs: number) => ({ class: kind, budgetMs, perRecords: 1 })

test('a switch to a model that cannot keep the deadline is refused with the arithmetic, and the one that can goes on', async () => {
  const directory = await temporaryDirectory()
  await copyFile('models/bundles/digits@1.tar.gz', join(directory, 'digits@1.tar.gz'))
  await storeDigitModel(directory, 'slow', { graph: slowly(Math.round(150 * (await roundsPerMs(10)))) })
  await storeDigitModel(directory, 'hard', { graph: stubborn, change: { stages: { inference: budget('hard', 40) } } })
  const stages = { preprocess: budget('soft', 4), inference: budget('firm', 45.5) }
  await storeDigitModel(directory, 'greedy', { graph: stubborn, change: { stages } })
  const deployment = await createDeployment({ partitions: 1 })
  const worker = await deployment.worker({
    bundles: { directory },
    deadline: { class: 'firm', ms: 50 },
    verification: { measureMs: 0, batchSizes: [1], replayRecords: 0 },
  })
  const of = ['--deployment', deployment.name]

  const slow = await millrace(['switch', 'digits@slow', '--wait', ...of])
  expect(slow.code).toBe(1)
  expect(slow.stdout + slow.stderr).toMatch(
    /digits@slow: deadline: p99 of a record alone [\d.]+ \+ batch.maxDelayMs 1 = [\d.]+ ms of 50/,
  )
  const greedily = await millrace(['switch', 'digits@greedy', '--wait', ...of])
  expect(greedily.code).toBe(1)
  expect(greedily.stdout + greedily.stderr).toContain(
    'the budgets for 1 record add up past the deadline: preprocess 4 + inference 45.5 + batch.maxDelayMs 1 = 50.5 ms of 50',
  )
  const hard = await millrace(['switch', 'digits@hard', '--wait', ...of])
  expect(hard.code).toBe(1)
  expect(hard.stdout).toMatch(
    /digits@hard: budget: inference asks for hard, .*firm can be had: p99 .*missed 40 ms.*What to do: ask for firm/,
  )
  expect(worker.status.model.active?.model).toBe('digits@1')

  // Whoever has the settings of the deployment need not ask its workers, nor know where they are.
  const settings = ['deadline.class=firm', 'deadline.ms=50', `bundles.directory=${directory}`]
  const short = ['verification.measureMs=0', 'verification.batchSizes=[1]']
  const ask = (model: string, beside: readonly string[]) =>
    millrace([
      ...['models', 'verify', model, ...beside],
      ...[...settings, ...short].flatMap((setting) => ['--set', setting]),
    ])
  const asked = await ask('digits@slow', of)
  expect([asked.code, asked.stdout]).toEqual([1, expect.stringMatching(/✗ deadline +p99 of a record alone/)])
  const alone = await ask('digits@greedy', [])
  expect([alone.code, alone.stdout]).toEqual([1, expect.stringMatching(/✗ deadline +the budgets for 1 record/)])
})

test('a model that scores first is asked too, though it was verified on this machine before there was a deadline', async () => {
  const directory = await temporaryDirectory()
  await storeDigitModel(directory, 'greedy', { graph: stubborn, change: { stages: { inference: budget('firm', 30) } } })
  const settings = {
    bundles: { directory },
    model: 'digits@greedy',
    verification: { measureMs: 0, batchSizes: [1], replayRecords: 0 },
  }
  const before = await createDeployment({ partitions: 1 })
  await before.worker(settings)
  const deployment = await createDeployment({ partitions: 1 })
  deployment.start({ ...settings, deadline: { class: 'soft', ms: 20 } })
  const refused = ({ type }: { type: string }) => type === 'failed'
  await deployment.events.until((all) => all.some(refused))
  expect(deployment.events.items.find(refused)).toMatchObject({ code: 'deadline-unfit', model: 'digits@greedy' })
})

test('a fallback that cannot keep the deadline keeps the worker from starting, and says why', async () => {
  const directory = await temporaryDirectory()
  await copyFile('models/bundles/digits@1.tar.gz', join(directory, 'digits@1.tar.gz'))
  await storeDigitModel(directory, 'greedy', { graph: stubborn, change: { stages: { inference: budget('firm', 30) } } })
  const deployment = await createDeployment({ partitions: 1 })
  const worker = deployment.start({
    bundles: { directory },
    deadline: { class: 'firm', ms: 20, fallback: 'digits@greedy' },
    verification: { measureMs: 0, batchSizes: [1], replayRecords: 0 },
  })
  await expect(worker.running).rejects.toMatchObject({
    code: 'deadline-unfit',
    detail: expect.stringMatching(/^deadline\.fallback: digits@greedy: deadline: the budgets for 1 record add up/),
  })
})
