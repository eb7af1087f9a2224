import { beforeEach, expect, test } from 'vitest'
import { createPublisher } from '../../../pipeline/kafka/publisher.js'
import { createKafkaSource, type KafkaSourceOptions } from '../../../pipeline/kafka/source.js'
import { createCredits } from '../../../stages/credits.js'
import { createTopic, testKafka, uniqueName } from '../../fixtures/kafka.js'
import { startMember, type TestMember } from '../../fixtures/member.js'

const partitions = 4
let topic: string
let groupId: string
beforeEach(async () => {
  topic = await createTopic(uniqueName('rebalance'), partitions)
  groupId = uniqueName('group')
})

const createSource = (settings: Partial<KafkaSourceOptions> = {}) =>
  createKafkaSource({
    kafka: testKafka(),
    groupId,
    topic,
    sessionTimeoutMs: 10_000,
    drainTimeoutMs: 10_000,
    maxRecordsPerRun: 20,
    fetch: { maxBytesPerPartition: 4_096, maxWaitMs: 50 },
    ...settings,
  })

/** Works on every run for a while, so that there is always something in flight; runs of a partition finish in order. */
const slowMember = (): TestMember => {
  const last = new Map<string, Promise<void>>()
  const credits = createCredits({ records: 400, bytes: 1 << 20 })
  return startMember(createSource(), {
    credits,
    work: (run, assignment) => {
      const key = `${assignment.epoch}/${run.partition}`
      const work = (last.get(key) ?? Promise.resolve()).then(async () => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        await assignment.commit([run])
        credits.refund(run.records.length, run.bytes)
      })
      last.set(key, work)
      return work
    },
  })
}

test('members that come and go in the middle of the work lose nothing and repeat nothing', async () => {
  const publisher = createPublisher({
    kafka: testKafka(),
    topics: { predictions: topic, deadLetter: topic, late: topic },
  })
  const members: TestMember[] = []
  const consumed = () => members.reduce((sum, member) => sum + member.count(), 0)
  const produced = new Array<number>(partitions).fill(0)
  let ended = false
  /** A little ahead of the members, always: there is something in flight at every rebalance. */
  const producing = (async () => {
    while (!ended) {
      const at = produced[0]!
      const records = Array.from({ length: 50 }, (_, index) => ({
        key: null,
        value: Buffer.from(String(at + index)),
        headers: undefined,
        timestamp: Date.now(),
      }))
      await publisher.publish(produced.map((_, partition) => ({ kind: 'predictions', partition, records })))
      produced.fill(at + records.length)
      const enough = () => ended || consumed() > at * partitions - 1_000
      while (!enough()) await Promise.race(members.map((member) => member.until(enough)))
    }
  })()

  const join = async () => {
    const member = slowMember()
    members.push(member)
    await member.until(() => member.count() > 200)
    return member
  }
  await join()
  const second = await join()
  await join()
  await second.source.stop()
  await join()
  ended = true
  await producing
  const all = () => consumed() >= partitions * produced[0]!
  await Promise.race(members.map((member) => member.until(all)))
  await Promise.all(members.map((member) => member.source.stop()))
  await publisher.close()

  const expected = Array.from({ length: produced[0]! }, (_, index) => index)
  for (let partition = 0; partition < partitions; partition++) {
    const seen = members.flatMap((member) => member.values(partition).map(Number)).sort((one, other) => one - other)
    expect(seen).toEqual(expected)
  }
  expect(members.flatMap(({ cut }) => cut)).toEqual([])
})

test('a drain that takes longer than the session timeout keeps the membership, and its commits count', async () => {
  const states: string[] = []
  const first = startMember(
    createSource({ sessionTimeoutMs: 6_000, drainTimeoutMs: 20_000, onState: (state) => states.push(state) }),
    {
      work: async (run, assignment) => {
        if (assignment.epoch === 1) await new Promise((resolve) => setTimeout(resolve, 8_000))
        await assignment.commit([run])
      },
    },
  )
  const publisher = createPublisher({
    kafka: testKafka(),
    topics: { predictions: topic, deadLetter: topic, late: topic },
  })
  await publisher.publish([
    {
      kind: 'predictions',
      partition: 0,
      records: [{ key: null, value: Buffer.from('one'), headers: undefined, timestamp: 1 }],
    },
  ])
  await publisher.close()
  await first.until(() => first.count() === 1)
  const second = startMember(createSource())
  await Promise.all([
    first.until(() => first.assignments.length === 2),
    second.until(() => second.assignments.length === 1),
  ])
  await Promise.all([first.source.stop(), second.source.stop()])
  expect(first.cut).toEqual([])
  expect(first.count() + second.count()).toBe(1)
  expect(states).not.toContain('waiting')
})
