import { expect, test } from 'vitest'
import { topicNames } from '../../../pipeline/config.js'
import { millrace, millraceJson, startMillrace } from '../../fixtures/cli.js'
import { runs, stackCache, temporaryDirectory } from '../../fixtures/stack-programs.js'

const environment = { MILLRACE_BROKERS: undefined, MILLRACE_REGISTRY: undefined, MILLRACE_STACK_CACHE: stackCache }

test('a stack serves the commands of its folder until Ctrl-C, and then nothing is left of it', async () => {
  const directory = await temporaryDirectory()
  const stack = startMillrace(['stack', '--json'], { environment, directory })
  const { brokers, registry, pids } = JSON.parse(await stack.printed(/\n/))
  expect(brokers).toMatch(/^127\.0\.0\.1:\d+$/)
  expect((await fetch(`${registry}/subjects`)).status).toBe(200)

  const create = ['topics', 'create', '--deployment', 'd']
  const { topics } = await millraceJson<{ topics: unknown[] }>(create, { environment, directory })
  expect(topics).toHaveLength(Object.keys(topicNames('d')).length)
  const second = await millrace(['stack'], { environment, directory })
  expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('a local stack is already running')])

  expect((await stack.interrupt()).code).toBe(0)
  expect([await runs(pids.kafka), await runs(pids.registry)]).toEqual([false, false])
  const after = await millrace(create, { environment, directory })
  expect([after.code, after.stderr]).toEqual([1, expect.stringMatching(/^millrace: no Kafka is configured/)])
})
