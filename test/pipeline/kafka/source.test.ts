import kafkajs from 'kafkajs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withAdmin } from '../../../pipeline/kafka/admin.js'
import { groupStatus } from '../../../pipeline/kafka/group-status.js'
import { createKafkaSource, type KafkaSourceOptions, type SourceState } from '../../../pipeline/kafka/source.js'
import { createCredits } from '../../../stages/credits.js'
import { committedOffset, createTopic, send, testBrokers, testKafka, uniqueName } from '../../fixtures/kafka.js'
import { startMember, type TestMember } from '../../fixtures/member.js'
import { startTcpProxy, type TcpProxy } from '../../fixtures/tcp-proxy.js'

let groupId: string
const members: TestMember[] = []
const proxies: TcpProxy[] = []
beforeEach(() => {
  groupId = uniqueName('group')
})
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.source.stop()))
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()))
})

const startProxy = async (options?: { open: boolean }) => {
  const proxy = await startTcpProxy(testBrokers()[0]!, options)
  proxies.push(proxy)
  return proxy
}

const watchStates = () => {
  const said: [SourceState, string][] = []
  let heard: () => void = () => undefined
  return {
    said,
    onState: (state: SourceState, detail: string) => {
      said.push([state, detail])
      heard()
    },
    until: async (condition: (state: SourceState, detail: string) => boolean) => {
      while (!said.some(([state, detail]) => condition(state, detail)))
        await new Promise<void>((resolve) => {
          heard = resolve
        })
    },
  }
}

const start = (topic: string, settings: Partial<KafkaSourceOptions> = {}, work?: Parameters<typeof startMember>[1]) => {
  const source = createKafkaSource({
    kafka: testKafka(),
    groupId,
    topic,
    sessionTimeoutMs: 10_000,
    drainTimeoutMs: 5_000,
    fetch: { maxBytesPerPartition: 1 << 20, maxWaitMs: 50 },
    ...settings,
  })
  const member = startMember(source, work)
  members.push(member)
  return member
}

const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `v${from + index}`)

test('a broker that cannot be reached at the start is waited for, and says so', async () => {
  const topic = await createTopic(uniqueName('late-broker'), 1)
  await send(topic, 0, numbered(5))
  const proxy = await startProxy({ open: false })
  const states = watchStates()
  const member = start(topic, { kafka: testKafka({ socketFactory: proxy.socketFactory }), onState: states.onState })
  await states.until((state, detail) => state === 'waiting' && detail.startsWith('Kafka cannot be reached'))
  proxy.restore()
  await member.until(() => member.count() === 5)
  expect(states.said.map(([state]) => state)).toEqual(
    expect.arrayContaining(['connecting', 'waiting', 'joining', 'running']),
  )
})

test('stop while the broker cannot be reached returns at once', async () => {
  const proxy = await startProxy({ open: false })
  const states = watchStates()
  const member = start('any', { kafka: testKafka({ socketFactory: proxy.socketFactory }), onState: states.onState })
  await states.until((state) => state === 'waiting')
  await member.source.stop()
  await member.finished
  expect(states.said.at(-1)![0]).toBe('stopped')
})

test('a topic that does not exist is waited for', async () => {
  const topic = uniqueName('late-topic')
  const states = watchStates()
  const member = start(topic, { onState: states.onState })
  await states.until((state, detail) => state === 'waiting' && detail.includes('does not exist'))
  await createTopic(topic, 1)
  await send(topic, 0, numbered(3))
  await member.until(() => member.count() === 3)
})

test('connections that break for a moment are made again without a rebalance', async () => {
  const topic = await createTopic(uniqueName('blip'), 1)
  await send(topic, 0, numbered(5))
  const proxy = await startProxy()
  const member = start(topic, { kafka: testKafka({ socketFactory: proxy.socketFactory }) })
  await member.until(() => member.count() === 5)
  proxy.cut()
  proxy.restore()
  await send(topic, 0, numbered(5, 5))
  await member.until(() => member.count() === 10)
  expect(member.values(0)).toEqual(numbered(10))
  expect(member.assignments).toHaveLength(1)
})

test('a broker that is away for long is waited for, and reading goes on where it was committed', async () => {
  const topic = await createTopic(uniqueName('outage'), 1)
  await send(topic, 0, numbered(5))
  const proxy = await startProxy()
  const states = watchStates()
  const member = start(topic, { kafka: testKafka({ socketFactory: proxy.socketFactory }), onState: states.onState })
  await member.until(() => member.count() === 5)
  while ((await committedOffset(groupId, topic, 0)) !== 5);
  proxy.cut()
  await states.until((state) => state === 'waiting')
  await send(topic, 0, numbered(5, 5))
  proxy.restore()
  await member.until(() => member.count() === 10)
  expect(member.values(0)).toEqual(numbered(10))
  expect(member.assignments).toHaveLength(2)
  expect(member.assignments[1]!.epoch).toBeGreaterThan(member.assignments[0]!.epoch)
})

test('a commit while the broker is away resolves once it is there', async () => {
  const topic = await createTopic(uniqueName('commit'), 1)
  await send(topic, 0, numbered(5))
  const proxy = await startProxy()
  let [cutOnce, committed] = [false, false]
  const member = start(
    topic,
    { kafka: testKafka({ socketFactory: proxy.socketFactory }) },
    {
      work: async (run, assignment) => {
        if (!cutOnce) {
          cutOnce = true
          proxy.cut()
          setTimeout(() => proxy.restore(), 300)
        }
        await assignment.commit([run])
        committed = true
      },
    },
  )
  await member.until(() => committed)
  expect(await committedOffset(groupId, topic, 0)).toBe(5)
})

test('offsets that retention took are skipped, and the state says how many', async () => {
  const topic = await createTopic(uniqueName('retention'), 1)
  await send(topic, 0, numbered(20))
  const first = start(
    topic,
    { maxRecordsPerRun: 5 },
    {
      work: async (run, assignment) => {
        if (run.next === 5) await assignment.commit([run])
      },
    },
  )
  await first.until(() => first.count() === 20)
  await first.source.stop()
  await withAdmin(testKafka(), async (admin) => {
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '12' }] })
  })
  const states = watchStates()
  const second = start(topic, { onState: states.onState })
  await second.until(() => second.count() === 8)
  expect(second.values(0)).toEqual(numbered(8, 12))
  expect(second.fetched[0]!.start).toBe(12)
  await states.until((_, detail) => detail.includes('offset 5 is gone, going on at 12: 7 offsets lost to retention'))
})

test('transaction markers and aborted records are gaps that the next run covers', async () => {
  const topic = await createTopic(uniqueName('transactions'), 1)
  const producer = testKafka().producer({
    transactionalId: uniqueName('tx'),
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const sendIn = async (values: string[], end: 'commit' | 'abort') => {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: values.map((value) => ({ partition: 0, value })) })
    await transaction[end]()
  }
  await sendIn(['a', 'b'], 'commit')
  await sendIn(['dropped'], 'abort')
  const member = start(topic)
  await member.until(() => member.count() === 2)
  await sendIn(['dropped'], 'abort')
  await sendIn(['c'], 'commit')
  await member.until(() => member.count() === 3)
  await producer.disconnect()
  expect(member.values(0)).toEqual(['a', 'b', 'c'])
  let at = 0
  for (const { start: from, next } of member.fetched) {
    expect(from).toBe(at)
    at = next
  }
})

test('two members share the partitions of a topic, and the group shows it', async () => {
  const topic = await createTopic(uniqueName('status'), 3)
  await send(topic, 1, numbered(4))
  const one = start(topic, { kafka: testKafka({ clientId: 'worker-one' }) })
  await one.until(() => one.assignments.length === 1)
  const two = start(topic, { kafka: testKafka({ clientId: 'worker-two' }) })
  await two.until(() => two.assignments.length === 1)
  await one.until(() => one.assignments.length === 2)
  const status = await groupStatus(testKafka(), groupId, topic)
  expect(status.state).toBe('Stable')
  expect(status.members.map(({ clientId }) => clientId).sort()).toEqual(['worker-one', 'worker-two'])
  expect(status.members.flatMap(({ partitions }) => partitions).sort()).toEqual([0, 1, 2])
  expect(status.partitions.map(({ partition, end }) => [partition, end])).toEqual([
    [0, 0],
    [1, 4],
    [2, 0],
  ])
})

test('a member without partitions waits in the group and takes over', async () => {
  const topic = await createTopic(uniqueName('spare'), 1)
  const states = watchStates()
  const members = [start(topic), start(topic, { onState: states.onState })]
  const other = start(topic, { onState: states.onState })
  await states.until((state, detail) => state === 'running' && detail.startsWith('no partitions'))
  await send(topic, 0, numbered(3))
  for (const leaving of members) await leaving.source.stop()
  await send(topic, 0, numbered(3, 3))
  await other.until(() => other.values(0).includes('v5'))
  expect([...members, other].flatMap((member) => member.values(0)).sort()).toEqual(numbered(6))
})

test('a session timeout that the broker does not take ends the source', async () => {
  const topic = await createTopic(uniqueName('session'), 1)
  const member = start(topic, { sessionTimeoutMs: 50_000_000 })
  await expect(member.finished).rejects.toMatchObject({ code: 'config-invalid' })
})

test('records whose credit is waited for keep the member alive', async () => {
  const topic = await createTopic(uniqueName('starved'), 1)
  await send(topic, 0, numbered(3))
  const credits = createCredits({ records: 1, bytes: 1 << 20 })
  await credits.take(1, 0)
  const member = start(topic, { sessionTimeoutMs: 6_000, maxRecordsPerRun: 1 }, { credits })
  await member.until(() => member.assignments.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 7_500))
  credits.refund(1, 0)
  await member.until(() => member.count() === 1)
  expect(member.assignments).toHaveLength(1)
})
