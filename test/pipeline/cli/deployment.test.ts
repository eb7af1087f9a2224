import { expect, test } from 'vitest'
import type { DeploymentStatus } from '../../../pipeline/client/deployment-status.js'
import type { Prediction } from '../../../pipeline/messages.js'
import { millrace, millraceJson, startMillrace } from '../../fixtures/cli.js'
import { uniqueName } from '../../fixtures/kafka.js'

const lines = <T>(stdout: string): T[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('the walk of the help: topics, a worker, records in, predictions out, another model, its status', async () => {
  const environment = { MILLRACE_DEPLOYMENT: uniqueName('walk') }
  await millraceJson(['topics', 'create', '--partitions', '2'], { environment })
  const worker = startMillrace(['run', '--model', 'digits@1', '--id', 'w1'], { environment })
  const data = 'models/data/digits.jsonl'
  await millraceJson(['produce', data, '--limit', '100'], { environment })
  const first = await millrace(['consume', '--from-beginning', '--follow', '--max', '100'], { environment })
  expect(new Set(lines<Prediction>(first.stdout).map(({ model }) => model))).toEqual(new Set(['digits@1']))

  const watching = startMillrace(['status', '--watch', '--every', '0.2', '--json'], { environment })
  await millraceJson(['switch', 'digits@2'], { environment })
  await watching.printed(/"worker":"w1"[^\n]*"model":"digits@2"/)
  await millraceJson(['produce', data, '--limit', '50'], { environment })
  await watching.printed(/"end":75,"lag":0,"generation":2[^\n]*"end":75,"lag":0,"generation":2[^\n]*\n/)
  const watched = await watching.interrupt()
  expect(watched.code).toBe(0)
  const status = lines<DeploymentStatus>(watched.stdout).at(-1)!
  expect(status).toMatchObject({
    deployment: environment.MILLRACE_DEPLOYMENT,
    group: { state: 'Stable' },
    model: { generation: 2, model: 'digits@2', mode: 'ALL' },
    preparing: null,
    workers: [{ worker: 'w1', partitions: [0, 1], model: 'digits@2' }],
    lag: 0,
  })
  expect(status.partitions.reduce((sum, { end }) => sum + end, 0)).toBe(150)

  const shown = await millrace(['status'], { environment })
  expect(shown.stdout).toMatch(/^model +digits@2, generation 2 \([0-9a-f]{12}\)$/m)
  expect(shown.stdout).toMatch(/^w1 +0, 1 +digits@2 +activated digits@2, .* ago$/m)
  const table = await millrace(['consume', '--table', '--last', '1'], { environment })
  expect(table.stdout).toMatch(/^time +partition\/offset +model +gen +label +score\n/)
  expect(table.stdout).toMatch(/\d\/\d+ +digits@2 +2 +\d +[01]\.\d{3} /)
  expect((await worker.interrupt()).code).toBe(0)
})

test('the status of a deployment without workers, models and records', async () => {
  const environment = { MILLRACE_DEPLOYMENT: uniqueName('idle') }
  const before = await millrace(['status'], { environment })
  expect([before.code, before.stderr]).toEqual([1, expect.stringContaining('a topic does not exist')])
  await millraceJson(['topics', 'create'], { environment })
  const { code, stdout } = await millrace(['status'], { environment })
  expect(code).toBe(0)
  expect(stdout).toContain('none yet: `millrace switch NAME@VERSION`')
  expect(stdout).toContain('no workers: `millrace run`')
})

test('a reader that has seen enough ends it quietly', async () => {
  const environment = { MILLRACE_DEPLOYMENT: uniqueName('head') }
  await millraceJson(['topics', 'create'], { environment })
  await millraceJson(['produce', 'models/data/digits.jsonl', '--loop', '--limit', '5000'], { environment })
  const reading = startMillrace(['consume', '--topic', `${environment.MILLRACE_DEPLOYMENT}.input`])
  reading.child.stdout!.once('data', () => reading.child.stdout!.destroy())
  const { code, stderr } = await reading.finished
  expect([code, stderr]).toEqual([0, ''])
})
