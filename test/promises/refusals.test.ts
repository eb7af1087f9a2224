/** What is not as it should be around a worker is told apart, each in one line with what to do; what can be mended is waited for. */
import { expect, inject, onTestFinished, test } from 'vitest'
import { parseConfig, topicNames } from '../../pipeline/config.js'
import { createTopics } from '../../pipeline/kafka/admin.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'
import { createLogger } from '../../pipeline/logging.js'
import { startWorker } from '../../pipeline/start.js'
import { millrace, millraceJson } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { registerValues } from '../fixtures/digits.js'
import { createTopic, testKafka, uniqueName } from '../fixtures/kafka.js'
import { part } from '../fixtures/part.js'
import { copyStore } from '../fixtures/store.js'

const foreign = { type: 'record', name: 'Foreign', fields: [{ name: 'other', type: 'string' }] }

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

test('a subject of the registry that does not take the schema of the outputs is refused by its name', async () => {
  const environment = { MILLRACE_DEPLOYMENT: uniqueName('unfit') }
  const { MILLRACE_DEPLOYMENT: name } = environment
  await millraceJson(['topics', 'create'], { environment })
  const run = ['run', '--model', 'digits@1', '--no-http', '--log-level', 'silent']

  // Where the outputs go, somebody has put a schema of their own and forbidden others.
  await registerValues(inject('registry'), `${name}.predictions`, foreign)
  await fetch(`${inject('registry')}/config/${name}.predictions-value`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ compatibility: 'BACKWARD' }),
  })
  expect(await line(run, environment)).toMatch(
    /^millrace: the schema registry takes no such schema under this subject: \S+, \S+\.predictions-value: .* Use a topic /,
  )
})

test('a model that cannot read what is registered for the input is refused by name and version, and scores nothing', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const environment = { MILLRACE_DEPLOYMENT: deployment.name }
  await registerValues(inject('registry'), deployment.topics.input, foreign)
  const unresolved =
    /the model cannot read every registered version of the input: .*version 2 \(id \d+\) of 2: .* Give the fields that a version lacks a default in input\.avsc\./
  // A store that nobody has verified anything of yet.
  const bundles = { directory: await copyStore('digits@1', 'digits@2') }
  const worker = deployment.start({ bundles, verification: { inChild: true, measureMs: 0, batchSizes: [1] } })
  const { detail } = await part(worker, 'model', 'waiting')
  expect(detail).toMatch(unresolved)
  await worker.running
  await deployment.sendDigits(3)
  const { code, stderr } = await millrace(['switch', 'digits@2', '--wait'], { environment })
  expect(code).toBe(1)
  expect(stderr).toMatch(/: failed: the model cannot read every registered version of the input: .*version 2 /)
  expect(deployment.predictions.items).toEqual([])
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
  const states: string[] = []
  worker.states.changes.subscribe(({ part, state }) => part === 'control' && states.push(state))
  const { detail } = await part(worker, 'control', 'waiting')
  expect(detail).toMatch(/^a topic does not exist: /)
  expect((await part(worker, 'models', 'waiting')).detail).toMatch(/^a topic does not exist: .*models/)
  expect(worker.status.ready).toBe(false)
  await createTopics(testKafka(), planTopics(topicNames(deployment), { partitions: 1 }))
  await worker.running
  await part(worker, 'source', 'running')
  await part(worker, 'models', 'running')
  // However often it was tried again, it never looked as if it had come back.
  await part(worker, 'control', 'running')
  expect(states.filter((state, index) => state !== states[index - 1])).toEqual(['connecting', 'waiting', 'running'])
})
