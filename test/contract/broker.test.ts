/** What the pipe may rely on of a source: the one in memory and the consumer group of Kafka keep the same promises. */
import { afterEach, describe, expect, test } from 'vitest'
import { createKafkaSource } from '../../pipeline/kafka/source.js'
import { createMemoryLog } from '../../pipeline/memory-source.js'
import { createCredits } from '../../stages/credits.js'
import type { Source, TopicPartition } from '../../stages/ports.js'
import { committedOffset, createTopic, send, testKafka, uniqueName } from '../fixtures/kafka.js'
import { createGate, type MemberBehaviour, startMember, type TestMember } from '../fixtures/member.js'

interface SourceSettings {
  readonly drainTimeoutMs?: number
  readonly maxRecordsPerRun?: number
  readonly beforeRecords?: (partitions: readonly TopicPartition[]) => Promise<void>
}

interface Broker {
  append(partition: number, values: readonly string[]): Promise<void>
  createSource(settings?: SourceSettings): Source
  committed(partition: number): Promise<number | null>
}

const inMemory = async (partitions: number): Promise<Broker> => {
  const log = createMemoryLog('input', partitions)
  return {
    append: async (partition, values) => {
      for (const value of values) log.append(partition, { value: Buffer.from(value) })
    },
    createSource: (settings) => log.createSource({ groupId: 'group', drainTimeoutMs: 10_000, ...settings }),
    committed: async (partition) => log.committed('group', partition),
  }
}

const onKafka = async (partitions: number): Promise<Broker> => {
  const topic = await createTopic(uniqueName('contract'), partitions)
  const groupId = uniqueName('group')
  return {
    append: (partition, values) => send(topic, partition, values),
    createSource: (settings) =>
      createKafkaSource({
        kafka: testKafka(),
        groupId,
        topic,
        sessionTimeoutMs: 10_000,
        drainTimeoutMs: 10_000,
        fetch: { maxBytesPerPartition: 1 << 20, maxWaitMs: 50 },
        ...settings,
      }),
    committed: (partition) => committedOffset(groupId, topic, partition),
  }
}

const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `v${from + index}`)

/** The runs of a partition join without gap or overlap, and hold every offset that was asked for. */
const expectCoverage = (member: TestMember, partition: number, from: number, to: number) => {
  const runs = member.fetched.filter((run) => run.partition === partition)
  let at = from
  for (const run of runs) {
    expect(run.start).toBe(at)
    expect(run.records[0]!.offset).toBeGreaterThanOrEqual(run.start)
    expect(run.records[run.records.length - 1]!.offset).toBeLessThan(run.next)
    at = run.next
  }
  expect(at).toBe(to)
}

describe.each([
  ['memory', inMemory],
  ['kafka', onKafka],
])('a source on %s', (_, createBroker) => {
  const members: TestMember[] = []
  const start = (source: Source, behaviour?: MemberBehaviour) => {
    const member = startMember(source, behaviour)
    members.push(member)
    return member
  }
  afterEach(async () => {
    await Promise.all(members.splice(0).map((member) => member.source.stop()))
  })

  test('records arrive in order per partition, and their runs cover the offsets exactly', async () => {
    const broker = await createBroker(3)
    await broker.append(0, numbered(0, 100))
    await broker.append(1, numbered(0, 250))
    const member = start(broker.createSource({ maxRecordsPerRun: 40 }))
    await member.until(() => member.count() === 350)
    await broker.append(2, numbered(0, 30))
    await broker.append(1, numbered(250, 300))
    await member.until(() => member.count() === 430)
    expect(member.values(0)).toEqual(numbered(0, 100))
    expect(member.values(1)).toEqual(numbered(0, 300))
    expect(member.values(2)).toEqual(numbered(0, 30))
    expectCoverage(member, 0, 0, 100)
    expectCoverage(member, 1, 0, 300)
    expectCoverage(member, 2, 0, 30)
    expect(member.assignments).toHaveLength(1)
    expect(member.assignments[0]!.partitions.map(({ partition }) => partition).sort()).toEqual([0, 1, 2])
  })

  test('no more records are out than there are credits for, and refunds bring more', async () => {
    const broker = await createBroker(2)
    await broker.append(0, numbered(0, 200))
    await broker.append(1, numbered(0, 200))
    const limit = 100
    const credits = createCredits({ records: limit, bytes: 1 << 20 })
    let held: { records: number; bytes: number }[] = []
    const member = start(broker.createSource({ maxRecordsPerRun: 30 }), {
      credits,
      work: async ({ records, bytes }) => void held.push({ records: records.length, bytes }),
    })
    let most = 0
    while (member.count() < 400) {
      const before = member.count()
      await member.until(() => member.count() > before || member.count() === 400)
      most = Math.max(most, credits.out.records)
      for (const one of held) credits.refund(one.records, one.bytes)
      held = []
    }
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(limit)
    expect(member.values(0)).toEqual(numbered(0, 200))
    expect(member.values(1)).toEqual(numbered(0, 200))
  })

  test('without credits the partitions are kept and nothing more comes', async () => {
    const broker = await createBroker(1)
    await broker.append(0, numbered(0, 100))
    const credits = createCredits({ records: 30, bytes: 1 << 20 })
    const member = start(broker.createSource({ maxRecordsPerRun: 30 }), { credits, work: async () => undefined })
    await member.until(() => member.count() === 30)
    await broker.append(0, numbered(100, 101))
    expect(member.count()).toBe(30)
    credits.refund(30, credits.out.bytes)
    await member.until(() => member.count() === 60)
    expect(member.assignments).toHaveLength(1)
  })

  test('after a restart reading goes on at the committed offset; what was not committed comes again', async () => {
    const broker = await createBroker(1)
    await broker.append(0, numbered(0, 100))
    const first = start(broker.createSource({ maxRecordsPerRun: 25 }), {
      work: async (run, assignment) => {
        if (run.next <= 50) await assignment.commit([run])
      },
    })
    await first.until(() => first.count() === 100)
    await first.source.stop()
    expect(await broker.committed(0)).toBe(50)
    const second = start(broker.createSource())
    await second.until(() => second.count() === 50)
    expect(second.values(0)).toEqual(numbered(50, 100))
    expectCoverage(second, 0, 50, 100)
  })

  test('on revocation the records complete, the pipe drains and commits, and only then another reads on', async () => {
    const broker = await createBroker(2)
    await broker.append(0, numbered(0, 50))
    await broker.append(1, numbered(0, 50))
    const gate = createGate()
    const first = start(broker.createSource(), {
      work: async (run, assignment) => {
        if (assignment.epoch === first.assignments[0]!.epoch) await gate.opened
        await assignment.commit([run])
      },
    })
    await first.until(() => first.count() === 100)
    const second = start(broker.createSource())
    await first.until(() => first.completed.length === 1)
    expect(second.assignments).toHaveLength(0)
    gate.open()
    await second.until(() => second.assignments.length === 1)
    await first.until(() => first.assignments.length === 2)
    await broker.append(0, numbered(50, 60))
    await broker.append(1, numbered(50, 60))
    await Promise.all([first.until(() => first.count() === 110), second.until(() => second.count() === 10)])
    expect(first.cut).toEqual([])
    for (const partition of [0, 1])
      expect([...first.values(partition), ...second.values(partition)]).toEqual(numbered(0, 60))
    expect(first.assignments[1]!.epoch).toBeGreaterThan(first.assignments[0]!.epoch)
  })

  test('a pipe that does not drain in time is unsubscribed, and its records come again', async () => {
    const broker = await createBroker(1)
    await broker.append(0, numbered(0, 20))
    const never = createGate()
    const first = start(broker.createSource({ drainTimeoutMs: 300 }), { work: () => never.opened })
    await first.until(() => first.count() === 20)
    await first.source.stop()
    expect(first.completed).toHaveLength(1)
    expect(first.cut).toHaveLength(1)
    const second = start(broker.createSource())
    await second.until(() => second.count() === 20)
    expect(second.values(0)).toEqual(numbered(0, 20))
  })

  test('stop completes the records, waits for what is in flight, and nothing comes afterwards', async () => {
    const broker = await createBroker(1)
    await broker.append(0, numbered(0, 10))
    const gate = createGate()
    const member = start(broker.createSource(), {
      work: async (run, assignment) => {
        await gate.opened
        await assignment.commit([run])
      },
    })
    await member.until(() => member.count() === 10)
    const stopped = member.source.stop()
    await member.until(() => member.completed.length === 1)
    gate.open()
    await stopped
    await member.finished
    expect(member.cut).toEqual([])
    expect(await broker.committed(0)).toBe(10)
    await broker.append(0, numbered(10, 20))
    expect(member.count()).toBe(10)
    await member.source.stop()
  })

  test('unsubscribing stops in the same way', async () => {
    const broker = await createBroker(1)
    await broker.append(0, numbered(0, 10))
    const first = start(broker.createSource())
    await first.until(() => first.count() === 10)
    first.unsubscribe()
    await first.source.stop()
    expect(first.cut).toEqual([])
    expect(await broker.committed(0)).toBe(10)
  })

  test('a commit for an assignment that has ended is dropped', async () => {
    const broker = await createBroker(1)
    await broker.append(0, numbered(0, 10))
    const first = start(broker.createSource(), { work: async () => undefined })
    await first.until(() => first.count() === 10)
    await first.source.stop()
    const second = start(broker.createSource())
    await second.until(() => second.count() === 10)
    await second.source.stop()
    await first.assignments[0]!.commit([{ topic: 'any', partition: 0, start: 0, next: 3 }])
    expect(await broker.committed(0)).toBe(10)
  })

  test('the first record waits for what must happen before it', async () => {
    const broker = await createBroker(2)
    await broker.append(0, numbered(0, 10))
    const gate = createGate()
    const asked: number[] = []
    const member = start(
      broker.createSource({
        beforeRecords: async (partitions) => {
          asked.push(...partitions.map(({ partition }) => partition))
          expect(member.count()).toBe(0)
          await gate.opened
        },
      }),
    )
    await member.until(() => member.assignments.length === 1)
    expect(member.count()).toBe(0)
    gate.open()
    await member.until(() => member.count() === 10)
    expect(asked.sort()).toEqual([0, 1])
  })

  test('an error of the pipe ends the source with it, and the partitions go to another', async () => {
    const broker = await createBroker(1)
    await broker.append(0, numbered(0, 10))
    const first = start(broker.createSource(), {
      work: async () => {
        throw new Error('the scorer died')
      },
    })
    await expect(first.finished).rejects.toThrow('the scorer died')
    const second = start(broker.createSource())
    await second.until(() => second.count() === 10)
    expect(second.values(0)).toEqual(numbered(0, 10))
  })
})
