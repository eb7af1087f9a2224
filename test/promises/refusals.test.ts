/** What is not as it should be around a worker is told apart, each in one line with what to do; what can be mended is waited for. */
import { expect, inject, onTestFinished, test } from 'vitest'
import { parseConfig, topicNames } from '../../pipeline/config.js'
import { createTopics } from '../../pipeline/kafka/admin.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'
import { createLogger } from '../../pipeline/logging.js'
import { startWorker } from '../../pipeline/start.js'
import { millrace, millraceJson } from '../fixtures/cli.js'
import { createTopic, testKafka, uniqueName } from '../fixtures/kafka.js'
import { part } from '../fixtures/part.js'

const line = async (args: readonly string[], environment: Record<string, string>): Promise<string> => {
  const { code, stderr } = await millrace(args, { environment })
  expect(code).toBe(1)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  return stderr.trim()
}

test('topics that are missing, too few partitions and addresses where nobody is are told apart', async () => {
  const name = uniqueName('refused')
  const environment = { MILLRACE_DEPLOYMENT: name }
  expect(await line(['consume'], environment)).toMatch(
    /^millrace: a topic does not exist: .*predictions.* Create it: `millrace topics create`\.$/,
  )
  await createTopic(`${name}.predictions`, 1)
  await millraceJson(['topics', 'create', '--partitions', '3'], { environment })
  expect(await line(['run', '--model', 'digits@1', '--no-http', '--log-level', 'silent'], environment)).toMatch(
    /^millrace: an output topic has fewer partitions than the input topic: \S+predictions has 1, \S+input has 3\. Add /,
  )
  expect(await line(['consume'], { ...environment, MILLRACE_BROKERS: '127.0.0.1:1' })).toMatch(
    /^millrace: Kafka cannot be reached: .*ECONNREFUSED.* Check the address and that the broker is up\.$/,
  )
})

test('a worker waits in sight for topics that are missing, and goes on when they are there', async () => {
  const deployment = uniqueName('waiting')
  const worker = startWorker({
    config: parseConfig({
      deployment,
      brokers: inject('brokers').split(','),
      registry: inject('registry'),
      model: 'digits@1',
      drainTimeoutMs: 1_000,
      verification: { inChild: false },
    }),
    logger: createLogger({ level: 'silent', pretty: false, colors: false, stream: process.stderr }),
  })
  onTestFinished(() => worker.stop())
  const { detail } = await part(worker, 'control', 'waiting')
  expect(detail).toMatch(/^a topic does not exist: /)
  expect(worker.status.ready).toBe(false)
  await createTopics(testKafka(), planTopics(topicNames(deployment), { partitions: 1 }))
  await worker.running
  await part(worker, 'source', 'running')
})
