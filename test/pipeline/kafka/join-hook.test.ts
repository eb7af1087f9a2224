/** On a kafkajs whose inside nobody has read, the source works through its public events: more is read twice, nothing is lost. */
import { afterEach, expect, test, vi } from 'vitest'
import { createKafkaSource } from '../../../pipeline/kafka/source.js'
import { createTopic, send, testKafka, uniqueName } from '../../fixtures/kafka.js'
import { startMember, type TestMember } from '../../fixtures/member.js'

vi.mock('../../../pipeline/kafka/internals.js', () => ({
  internalsKnown: false,
  internal: () => undefined,
  patchOnce: () => () => undefined,
}))

const members: TestMember[] = []
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.source.stop()))
})

test('without the hook a rebalance loses nothing', async () => {
  const topic = await createTopic(uniqueName('unhooked'), 2)
  const groupId = uniqueName('group')
  const values = Array.from({ length: 400 }, (_, index) => String(index))
  await send(topic, 0, values)
  await send(topic, 1, values)
  const join = () => {
    const source = createKafkaSource({
      kafka: testKafka(),
      groupId,
      topic,
      sessionTimeoutMs: 10_000,
      drainTimeoutMs: 5_000,
      maxRecordsPerRun: 10,
      fetch: { maxBytesPerPartition: 1_024, maxWaitMs: 50 },
    })
    const member = startMember(source, {
      work: async (run, assignment) => {
        await new Promise((resolve) => setTimeout(resolve, 10))
        await assignment.commit([run])
      },
    })
    members.push(member)
    return member
  }
  const first = join()
  await first.until(() => first.count() > 50)
  const second = join()
  await second.until(() => second.assignments.length === 1)
  await send(topic, 0, ['last'])
  await send(topic, 1, ['last'])
  const seen = (partition: number) => new Set([...first.values(partition), ...second.values(partition)])
  const complete = () => [0, 1].every((partition) => seen(partition).has('last'))
  await Promise.race([first.until(complete), second.until(complete)])
  for (const partition of [0, 1]) expect([...seen(partition)].sort()).toEqual([...values, 'last'].sort())
  expect(first.assignments.length).toBeGreaterThan(1)
})
