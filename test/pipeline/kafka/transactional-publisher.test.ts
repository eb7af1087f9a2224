import kafkajs, { type Cluster } from 'kafkajs'
import { mergeMap } from 'rxjs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { logEdge } from '../../../pipeline/kafka/cluster.js'
import { createKafkaSource } from '../../../pipeline/kafka/source.js'
import {
  createTransactionalPublisher,
  type TransactedRange,
  type TransactionalPublisher,
  type TransactionalPublisherOptions,
} from '../../../pipeline/kafka/transactional-publisher.js'
import { createCredits } from '../../../stages/credits.js'
import type { OutgoingRecord, Source } from '../../../stages/ports.js'
import {
  committedOffset,
  createTopic,
  readTopic,
  send,
  testBrokers,
  testKafka,
  uniqueName,
} from '../../fixtures/kafka.js'
import { startTcpProxy, type TcpProxy } from '../../fixtures/tcp-proxy.js'

let groupId: string
let topics: TransactionalPublisherOptions['topics']
let input: string
const publishers: TransactionalPublisher[] = []
const proxies: TcpProxy[] = []
const sources: Source[] = []
beforeEach(async () => {
  groupId = uniqueName('group')
  input = await createTopic(uniqueName('input'), 2)
  const predictions = await createTopic(uniqueName('predictions'), 2)
  topics = {
    predictions,
    deadLetter: predictions,
    late: predictions,
    shadow: predictions,
    fences: await createTopic(uniqueName('fences'), 1),
  }
})
afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.stop()))
  await Promise.all(publishers.splice(0).map((publisher) => publisher.close()))
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()))
})

const create = (options: Partial<TransactionalPublisherOptions> = {}) => {
  const publisher = createTransactionalPublisher({ kafka: testKafka(), groupId, topics, intervalMs: 20, ...options })
  publishers.push(publisher)
  return publisher
}

const record = (value: string): OutgoingRecord => ({
  key: null,
  value: Buffer.from(value),
  headers: undefined,
  timestamp: Date.now(),
})
const values = (start: number, next: number) => Array.from({ length: next - start }, (_, index) => `v${start + index}`)
const range = (start: number, next: number, pad = 0): TransactedRange => ({
  covered: { topic: input, partition: 0, start, next },
  outgoing: [
    { kind: 'predictions', partition: 0, records: values(start, next).map((value) => record(value.padEnd(pad))) },
  ],
})
const first = () => [{ topic: input, partition: 0 }]
const read = async (partition: number, count: number) =>
  (await readTopic(topics.predictions, partition, count)).map(({ value }) => String(value).trimEnd())
/** Long enough to be sent before the transaction's time is over. */
const long = 300_000

/** Waits until the log of partition 0 has that many records, committed or not. */
const sentTo = async (topic: string, count: number) => {
  let cluster: Cluster | undefined
  testKafka().consumer({
    groupId: 'never-joined',
    readUncommitted: true,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster
        return kafkajs.PartitionAssigners.roundRobin(config)
      },
    ],
  })
  await cluster!.connect()
  await cluster!.addTargetTopic(topic)
  while ((await logEdge(cluster!, topic, 0, 'end')) < count);
  await cluster!.disconnect()
}

test('records, fences and the offset are there together once it resolves', async () => {
  const publisher = create()
  await publisher.begin([...first(), { topic: input, partition: 1 }])
  await Promise.all([
    publisher.publish({ ...range(0, 5), fences: [record('fence')] }),
    publisher.publish(range(5, 7)),
    publisher.publish({
      covered: { topic: input, partition: 1, start: 0, next: 9 },
      outgoing: [{ kind: 'deadLetter', partition: 1, records: [record('dead')] }],
    }),
  ])
  expect(await committedOffset(groupId, input, 0)).toBe(7)
  expect(await committedOffset(groupId, input, 1)).toBe(9)
  expect(await read(0, 7)).toEqual(values(0, 7))
  expect(await read(1, 1)).toEqual(['dead'])
  expect(await readTopic(topics.fences, 0, 1)).toHaveLength(1)
  await publisher.publish({ covered: { ...range(7, 8).covered, next: 12 }, outgoing: [] })
  expect(await committedOffset(groupId, input, 0)).toBe(12)
})

test('what is published while a transaction commits goes into the next ones, in order', async () => {
  const publisher = create({ intervalMs: 1, maxRecords: 30 })
  await publisher.begin(first())
  await Promise.all(Array.from({ length: 50 }, (_, turn) => publisher.publish(range(turn * 20, turn * 20 + 20))))
  expect(await read(0, 1_000)).toEqual(values(0, 1_000))
  expect(await committedOffset(groupId, input, 0)).toBe(1_000)
})

/** On the topic of the predictions too, so that what is read of it is all that there is. */
const late = (value: string) => ({ kind: 'late', partition: 0, records: [record(value)] }) as const

test('late records are there together with their neighbours and the offset', async () => {
  const publisher = create()
  await publisher.begin(first())
  const { covered, outgoing } = range(0, 3)
  await publisher.publish({ covered: { ...covered, next: 4 }, outgoing: [...outgoing, late('too late')] })
  expect(await read(0, 4)).toEqual([...values(0, 3), 'too late'])
  expect(await committedOffset(groupId, input, 0)).toBe(4)
})

test('what was sent and not committed is never seen, late records as little as others: close aborts it, and says so', async () => {
  const publisher = create({ intervalMs: 60_000 })
  await publisher.begin(first())
  const { covered, outgoing } = range(0, 3, long)
  const sent = publisher.publish({ covered, outgoing: [...outgoing, late('too late'.padEnd(long))] })
  const published = expect(sent).rejects.toMatchObject({ code: 'timed-out' })
  await sentTo(topics.predictions, 4)
  await publisher.close()
  await published
  const next = create()
  await next.begin(first())
  expect(await committedOffset(groupId, input, 0)).toBeNull()
  await next.publish(range(0, 1))
  expect(await read(0, 1)).toEqual(['v0'])
})

test('a worker that was taken for dead is fenced, and what it had under way is not seen', async () => {
  const zombie = create({ intervalMs: 60_000, maxRecords: 2 })
  await zombie.begin(first())
  await zombie.publish(range(0, 2))
  const late = expect(zombie.publish(range(2, 3, 2 * long))).rejects.toMatchObject({ code: 'producer-fenced' })
  await sentTo(topics.predictions, 4)
  const owner = create()
  await owner.begin(first())
  expect(await committedOffset(groupId, input, 0)).toBe(2)
  await owner.publish(range(2, 6))
  await expect(zombie.publish(range(3, 4))).rejects.toMatchObject({ code: 'producer-fenced' })
  await late
  await expect(zombie.publish(range(4, 5))).rejects.toMatchObject({ code: 'producer-fenced' })
  await owner.publish(range(6, 7))
  expect(await read(0, 7)).toEqual(values(0, 7))
})

test('a worker that lost its connections finds another in its place, and does not take it back', async () => {
  const proxy = await startTcpProxy(testBrokers()[0]!)
  proxies.push(proxy)
  const zombie = create({ kafka: testKafka({ socketFactory: proxy.socketFactory }), intervalMs: 60_000 })
  await zombie.begin(first())
  const late = expect(zombie.publish(range(0, 2, long))).rejects.toMatchObject({ code: 'producer-fenced' })
  await sentTo(topics.predictions, 2)
  proxy.cut()
  const owner = create()
  await owner.begin(first())
  await owner.publish(range(0, 3))
  void zombie.publish(range(2, 4, long)).catch(() => undefined)
  proxy.restore()
  await late
  await owner.publish(range(3, 5))
  expect(await read(0, 5)).toEqual(values(0, 5))
})

test('connections cut in the middle of transactions lose nothing, repeat nothing and keep the order', async () => {
  const proxy = await startTcpProxy(testBrokers()[0]!)
  proxies.push(proxy)
  const publisher = create({ kafka: testKafka({ socketFactory: proxy.socketFactory }), intervalMs: 5, maxRecords: 50 })
  await publisher.begin(first())
  let done = 0
  const all = Array.from({ length: 40 }, async (_, turn) => {
    await publisher.publish(range(turn * 25, turn * 25 + 25))
    done += 1
  })
  for (const [after, mute] of [
    [3, false],
    [10, true],
    [20, true],
  ] as const) {
    while (done < after) await Promise.race(all.slice(done))
    if (mute) proxy.mute()
    await new Promise((resolve) => setImmediate(resolve))
    proxy.cut()
    proxy.restore()
  }
  await Promise.all(all)
  expect(await read(0, 1_000)).toEqual(values(0, 1_000))
  expect(await committedOffset(groupId, input, 0)).toBe(1_000)
})

test('while a transaction gathers it is told of all that it will hold: its end is two requests', async () => {
  const kafka = testKafka()
  const requests: string[] = []
  const producer: typeof kafka.producer = (config) => {
    const made = kafka.producer(config)
    made.on(made.events.REQUEST, ({ payload }) => requests.push(payload.apiName))
    return made
  }
  const publisher = create({ kafka: Object.create(kafka, { producer: { value: producer } }) })
  await publisher.begin(first())
  for (let at = 0; at < 6; at += 2) {
    requests.length = 0
    await Promise.all([publisher.publish(range(at, at + 1, long)), publisher.publish(range(at + 1, at + 2))])
    // While the transaction before is being completed, the broker asks for a request again.
    expect([...new Set(requests.filter((name) => !/Metadata|Coordinator/.test(name)))]).toEqual([
      'AddPartitionsToTxn',
      'AddOffsetsToTxn',
      'Produce',
      'TxnOffsetCommit',
      'EndTxn',
    ])
  }
  expect(await read(0, 6)).toEqual(values(0, 6))
})

test('a topic without the partition is an error that says so', async () => {
  const publisher = create()
  await publisher.begin(first())
  const outgoing = [{ kind: 'predictions' as const, partition: 7, records: [record('nowhere')] }]
  await expect(publisher.publish({ ...range(0, 1), outgoing })).rejects.toMatchObject({ code: 'partitions-differ' })
})

test('batches larger than the topic takes are cut smaller, and appear once all the same', async () => {
  topics = { ...topics, predictions: await createTopic(uniqueName('small'), 1, { 'max.message.bytes': '20000' }) }
  const publisher = create()
  await publisher.begin(first())
  await publisher.publish(range(0, 60, 2_000))
  expect(await read(0, 60)).toEqual(values(0, 60))
})

/** Copies the input, every run in a transaction. */
const startCopier = (publisher: TransactionalPublisher) => {
  const source = createKafkaSource({
    kafka: testKafka(),
    groupId,
    topic: input,
    sessionTimeoutMs: 10_000,
    drainTimeoutMs: 5_000,
    maxRecordsPerRun: 20,
    fetch: { maxBytesPerPartition: 1 << 16, maxWaitMs: 20 },
    beforeRecords: (partitions) => publisher.begin(partitions),
  })
  sources.push(source)
  const epochs = new Set<number>()
  let announce: () => void
  const assigned = new Promise<void>((resolve) => {
    announce = resolve
  })
  source
    .open((assignment) => {
      epochs.add(assignment.epoch)
      announce()
      const credits = createCredits({ records: 200, bytes: 1 << 20 })
      return assignment.records(credits).pipe(
        mergeMap(async (run) => {
          const { partition, records } = run
          await publisher.publish({ covered: run, outgoing: [{ kind: 'predictions', partition, records }] })
          credits.refund(records.length, run.bytes)
        }),
      )
    })
    .subscribe()
  return { source, epochs, assigned }
}

test('workers that come, go and are fenced copy every record exactly once, in order', async () => {
  const count = 3_000
  for (const partition of [0, 1]) await send(input, partition, values(0, count))
  const one = startCopier(create())
  const committed = async (partition: number) => (await committedOffset(groupId, input, partition)) ?? 0
  while ((await committed(0)) < 200);
  const other = startCopier(create())
  await other.assigned
  await one.source.stop()
  // Another takes the ids without the group knowing: the member is fenced, and joins anew.
  const epochs = other.epochs.size
  const thief = create()
  await thief.begin([...first(), { topic: input, partition: 1 }])
  for (const partition of [0, 1]) {
    await send(input, partition, values(count, count + 50))
    expect(await read(partition, count + 50)).toEqual(values(0, count + 50))
    while ((await committed(partition)) < count + 50);
  }
  expect(other.epochs.size).toBeGreaterThan(epochs)
})
