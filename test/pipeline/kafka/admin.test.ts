import { expect, test } from 'vitest'
import { createTopics, describeTopics } from '../../../pipeline/kafka/admin.js'
import { groupStatus } from '../../../pipeline/kafka/group-status.js'
import { planTopics } from '../../../pipeline/kafka/topic-plan.js'
import { createTopic, send, testKafka, uniqueName } from '../../fixtures/kafka.js'

const names = (deployment: string) => ({
  input: `${deployment}.input`,
  predictions: `${deployment}.predictions`,
  control: `${deployment}.control`,
  events: `${deployment}.events`,
  fences: `${deployment}.fences`,
  models: `${deployment}.models`,
  deadLetter: `${deployment}.dead-letter`,
  late: `${deployment}.late`,
  shadow: `${deployment}.shadow`,
})

test('the plan gives outputs the partitions of the input and logs one', () => {
  const plan = new Map(planTopics(names('d'), { partitions: 6 }).map((one) => [one.topic, one]))
  for (const topic of ['d.input', 'd.predictions', 'd.dead-letter', 'd.late', 'd.shadow'])
    expect(plan.get(topic)!.partitions).toBe(6)
  for (const topic of ['d.control', 'd.events', 'd.fences', 'd.models']) expect(plan.get(topic)!.partitions).toBe(1)
  expect(plan.get('d.control')!.config['retention.ms']).toBe('-1')
  expect(plan.get('d.models')!.config['retention.ms']).toBe('-1')
  expect(plan.get('d.fences')!.config['cleanup.policy']).toBe('compact')
})

test('a dead letter has room for the largest input and its headers', () => {
  const [input, , deadLetter] = planTopics(names('d'), { partitions: 1, inputMaxMessageBytes: 2_000_000 })
  expect(input!.config['max.message.bytes']).toBe('2000000')
  expect(Number(deadLetter!.config['max.message.bytes'])).toBeGreaterThan(2_000_000 + 10_000)
})

test('topics are created once; again they exist; otherwise planned they differ and stay as they are', async () => {
  const topics = names(uniqueName('plan'))
  const plan = planTopics(topics, { partitions: 2 })
  const results = async (wanted = plan) =>
    new Set((await createTopics(testKafka(), wanted)).map(({ result }) => result))
  expect(await results()).toEqual(new Set(['created']))
  expect(await results()).toEqual(new Set(['exists']))
  const described = await describeTopics(testKafka(), Object.values(topics))
  expect(described.get(topics.input)!.partitions).toBe(2)
  expect(described.get(topics.control)!.config['retention.ms']).toBe('-1')

  const other = await createTopics(testKafka(), planTopics(topics, { partitions: 3 }))
  expect(other.find(({ topic }) => topic === topics.input)).toMatchObject({
    result: 'differs',
    detail: '2 partitions instead of 3',
  })
  expect(other.find(({ topic }) => topic === topics.control)!.result).toBe('exists')
  expect((await describeTopics(testKafka(), [topics.input])).get(topics.input)!.partitions).toBe(2)
})

test('several may create the same topics at once', async () => {
  const plan = planTopics(names(uniqueName('race')), { partitions: 1 })
  const all = await Promise.all([1, 2, 3].map(() => createTopics(testKafka(), plan)))
  for (const [index] of plan.entries()) {
    const results = all.map((one) => one[index]!.result).sort()
    expect(results).toEqual(['created', 'exists', 'exists'])
  }
})

test('topics that do not exist are left out of the description', async () => {
  const topic = await createTopic(uniqueName('there'), 1)
  expect([...(await describeTopics(testKafka(), [topic, 'not-there'])).keys()]).toEqual([topic])
  expect((await describeTopics(testKafka(), ['not-there'])).size).toBe(0)
})

test('more replicas than brokers is an error of the configuration, in one line', async () => {
  const plan = planTopics(names(uniqueName('replicas')), { partitions: 1, replicationFactor: 9 })
  await expect(createTopics(testKafka(), plan)).rejects.toMatchObject({ code: 'config-invalid' })
})

test('a group that never was has everything before it', async () => {
  const topic = await createTopic(uniqueName('unread'), 2)
  await send(topic, 1, ['a', 'b', 'c'])
  const status = await groupStatus(testKafka(), uniqueName('nobody'), topic)
  expect(status.members).toEqual([])
  expect(status.partitions).toEqual([
    { partition: 0, committed: null, first: 0, end: 0, lag: 0 },
    { partition: 1, committed: null, first: 0, end: 3, lag: 3 },
  ])
})

test('the status of a topic that does not exist says so', async () => {
  await expect(groupStatus(testKafka(), 'group', uniqueName('gone'))).rejects.toMatchObject({ code: 'topic-missing' })
})
