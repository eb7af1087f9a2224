import { expect, test } from 'vitest'
import { millrace, millraceJson } from '../../fixtures/cli.js'
import { createTopic, uniqueName } from '../../fixtures/kafka.js'

interface Answer {
  deployment: string
  topics: { topic: string; partitions: number; result: string; detail?: string }[]
}

test('the topics of a deployment are created once, with the partitions that the input has', async () => {
  const deployment = uniqueName('cli-topics')
  await createTopic(`${deployment}.input`, 3)
  const first = await millraceJson<Answer>(['topics', 'create', '--deployment', deployment])
  const by = new Map(first.topics.map((one) => [one.topic, one]))
  expect(by.get(`${deployment}.input`)).toMatchObject({ result: 'exists', partitions: 3 })
  expect(by.get(`${deployment}.predictions`)).toMatchObject({ result: 'created', partitions: 3 })
  expect(by.get(`${deployment}.control`)).toMatchObject({ result: 'created', partitions: 1 })

  const { code, stdout } = await millrace(['topics', 'create', '--deployment', deployment, '--partitions', '5'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/\.predictions +5 {2}left as it is: 3 partitions instead of 5\n/)
  expect(stdout).toMatch(/\.control +1 {2}exists\n/)
})
