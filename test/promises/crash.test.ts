import { once } from 'node:events'
import { expect, test } from 'vitest'
import { startMillrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { committedOffset } from '../fixtures/kafka.js'

const flags = (settings: Record<string, unknown>) =>
  Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`])

test('a crash between publish and commit loses no record, and what is scored again is the same', async () => {
  const deployment = await createDeployment()
  const { name, topics, predictions } = deployment
  const worker = (commitIntervalMs: number) =>
    startMillrace([
      ...['run', '--deployment', name, '--model', 'digits@1'],
      ...flags({ commitIntervalMs, 'kafka.sessionTimeoutMs': 6_000, drainTimeoutMs: 5_000 }),
    ])
  // Nothing is committed as long as it lives.
  const first = worker(600_000)
  const stream = deployment.stream(50, 10)
  await predictions.until((all) => all.length > 1_000)
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  expect(await committedOffset(name, topics.input, 0)).toBe(null)
  await stream.end()

  worker(50)
  await deployment.answered()
  // The second owner begins again at the first record: wait until it has come to the last.
  await predictions.until(() => deployment.account().repeated.length > 1_000)
  expect(deployment.account().missing).toEqual([])
  const said = new Map<string, object>()
  for (const { scoredAt: _, ...prediction } of predictions.items) {
    const key = `${prediction.partition}/${prediction.offset}`
    expect(prediction).toEqual(said.get(key) ?? prediction)
    said.set(key, prediction)
  }
})

test('a graceful stop finishes what is in flight, commits it and says nothing is wrong', async () => {
  const deployment = await createDeployment()
  const { name, topics, predictions } = deployment
  const worker = startMillrace(['run', '--deployment', name, '--model', 'digits@1'])
  const stream = deployment.stream(50, 10)
  await predictions.until((all) => all.length > 500)
  worker.child.kill('SIGTERM')
  const { code, stdout } = await worker.finished
  expect([code, stdout]).toEqual([0, ''])
  await stream.end()

  const committed = await Promise.all([0, 1].map(async (p) => (await committedOffset(name, topics.input, p)) ?? 0))
  await predictions.until((all) => all.length >= committed[0]! + committed[1]!)
  for (const partition of [0, 1]) {
    const offsets = predictions.items.filter((one) => one.partition === partition).map(({ offset }) => offset)
    expect(offsets).toEqual(Array.from({ length: committed[partition]! }, (_, offset) => offset))
  }
  await deployment.worker()
  await deployment.answered()
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})
