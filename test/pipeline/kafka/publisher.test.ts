import { afterEach, expect, test } from 'vitest'
import { createPublisher, type KafkaPublisher, type PublisherOptions } from '../../../pipeline/kafka/publisher.js'
import type { Outgoing, OutgoingRecord, SourceRecord } from '../../../stages/ports.js'
import { createTopic, readTopic, setTopicConfig, testBrokers, testKafka, uniqueName } from '../../fixtures/kafka.js'
import { startTcpProxy, type TcpProxy } from '../../fixtures/tcp-proxy.js'

const publishers: KafkaPublisher[] = []
const proxies: TcpProxy[] = []
afterEach(async () => {
  await Promise.all(publishers.splice(0).map((publisher) => publisher.close()))
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()))
})

const create = (topic: string, options: Partial<PublisherOptions> = {}) => {
  const publisher = createPublisher({
    kafka: testKafka(),
    topics: { predictions: topic, deadLetter: `${topic}.dead-letter`, late: `${topic}.late` },
    ...options,
  })
  publishers.push(publisher)
  return publisher
}

const record = (value: string | null, more: Partial<OutgoingRecord> = {}): OutgoingRecord => ({
  key: null,
  value: value === null ? null : Buffer.from(value),
  headers: undefined,
  timestamp: 1_700_000_000_000,
  ...more,
})
const to = (partition: number, values: readonly string[]): Outgoing => ({
  kind: 'predictions',
  partition,
  records: values.map((value) => record(value)),
})
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `v${from + index}`)
const valuesOf = (records: readonly SourceRecord[]) => records.map(({ value }) => String(value))

test('a record arrives as it was given: key, value, headers, timestamp, in the partition that was asked for', async () => {
  const topic = await createTopic(uniqueName('publish'), 3)
  const publisher = create(topic)
  await publisher.publish([
    {
      kind: 'predictions',
      partition: 2,
      records: [
        record('value', { key: Buffer.from('key'), headers: { trace: 'a', many: [Buffer.from('b'), 'c'] } }),
        record(null, { timestamp: 5 }),
      ],
    },
  ])
  const [first, second] = await readTopic(topic, 2, 2)
  expect(first).toMatchObject({ offset: 0, timestamp: 1_700_000_000_000, key: Buffer.from('key') })
  expect(String(first!.value)).toBe('value')
  expect(first!.headers).toEqual({ trace: Buffer.from('a'), many: [Buffer.from('b'), Buffer.from('c')] })
  expect(second).toMatchObject({ offset: 1, timestamp: 5, key: null, value: null })
})

test('concurrent publishes keep their order in each partition, however many', async () => {
  const topic = await createTopic(uniqueName('order'), 2)
  const publisher = create(topic)
  await Promise.all(
    Array.from({ length: 60 }, (_, turn) =>
      publisher.publish([to(0, numbered(40, turn * 40)), to(1, numbered(3, turn * 3))]),
    ),
  )
  expect(valuesOf(await readTopic(topic, 0, 2_400))).toEqual(numbered(2_400))
  expect(valuesOf(await readTopic(topic, 1, 180))).toEqual(numbered(180))
})

test('a publish resolves only when every partition of it is acknowledged, and an empty one at once', async () => {
  const topic = await createTopic(uniqueName('acknowledge'), 2)
  const publisher = create(topic)
  await publisher.publish([])
  await publisher.publish([to(0, [])])
  await publisher.publish([to(0, numbered(1_200)), to(1, numbered(1))])
  expect(valuesOf(await readTopic(topic, 0, 1_200))).toHaveLength(1_200)
  expect(valuesOf(await readTopic(topic, 1, 1))).toEqual(['v0'])
})

test('a topic that does not exist yet is waited for, visibly', async () => {
  const topic = uniqueName('later')
  const said: string[] = []
  let heard: () => void
  const waiting = new Promise<void>((resolve) => {
    heard = resolve
  })
  const publisher = create(topic, {
    onState: (state, detail) => {
      said.push(`${state} ${detail}`)
      heard()
    },
  })
  const published = publisher.publish([to(0, ['here'])])
  await waiting
  expect(said[0]).toContain('waiting a topic does not exist')
  await createTopic(topic, 1)
  await published
  expect(valuesOf(await readTopic(topic, 0, 1))).toEqual(['here'])
  expect(said.at(-1)).toContain('running')
})

test('a partition that the topic does not have is an error that says so, also for what follows', async () => {
  const topic = await createTopic(uniqueName('narrow'), 1)
  const publisher = create(topic)
  await expect(publisher.publish([to(0, ['a']), to(3, ['b'])])).rejects.toMatchObject({
    code: 'partitions-differ',
    message: expect.stringContaining(`${topic} has no partition 3`),
  })
  await expect(publisher.publish([to(0, ['c'])])).rejects.toMatchObject({ code: 'partitions-differ' })
})

test('connections cut in the middle of the work lose nothing, repeat nothing and keep the order', async () => {
  const topic = await createTopic(uniqueName('cut'), 2)
  const proxy = await startTcpProxy(testBrokers()[0]!)
  proxies.push(proxy)
  const publisher = create(topic, { kafka: testKafka({ socketFactory: proxy.socketFactory }) })
  await publisher.connect()
  let published = 0
  // Long enough for several requests.
  const values = (from: number) => numbered(50, from).map((value) => value.padEnd(2_000))
  const all = Array.from({ length: 40 }, async (_, turn) => {
    await publisher.publish([to(0, values(turn * 50)), to(1, values(turn * 50))])
    published += 1
  })
  // Acknowledgements that never come: what the broker has already taken must not appear twice.
  await all[0]
  proxy.mute()
  await new Promise((resolve) => setImmediate(resolve))
  proxy.cut()
  expect(published).toBeLessThan(all.length)
  proxy.restore()
  await Promise.all(all)
  for (const partition of [0, 1])
    expect(valuesOf(await readTopic(topic, partition, 2_000)).map((value) => value.trimEnd())).toEqual(numbered(2_000))
})

test('batches larger than the topic takes are cut smaller until they fit', async () => {
  const topic = await createTopic(uniqueName('small'), 1, { 'max.message.bytes': '20000' })
  const publisher = create(topic)
  const values = Array.from({ length: 60 }, (_, index) => `${index} ${'x'.repeat(2_000)}`)
  await publisher.publish([to(0, values)])
  const seen = new Set(valuesOf(await readTopic(topic, 0, 60)))
  expect(values.filter((value) => !seen.has(value))).toEqual([])
})

test('a single record larger than the topic takes is waited with, and goes through once the limit is raised', async () => {
  const topic = await createTopic(uniqueName('large'), 1, { 'max.message.bytes': '2000' })
  let heard: (detail: string) => void
  const waiting = new Promise<string>((resolve) => {
    heard = resolve
  })
  const publisher = create(topic, { onState: (_, detail) => heard(detail) })
  const published = publisher.publish([to(0, ['x'.repeat(5_000)])])
  expect(await waiting).toContain(`${topic} takes no record of 5000 bytes: raise its max.message.bytes`)
  await setTopicConfig(topic, 'max.message.bytes', '10000')
  await published
  expect(await readTopic(topic, 0, 1)).toHaveLength(1)
})

test('close gives up what waits, and says so', async () => {
  const publisher = create(uniqueName('never'))
  const published = publisher.publish([to(0, ['a'])])
  const refused = expect(published).rejects.toMatchObject({ code: 'timed-out' })
  await publisher.close()
  await refused
  await expect(publisher.publish([to(0, ['b'])])).rejects.toMatchObject({ code: 'timed-out' })
})

test('connect waits for the broker, until it is there or the publisher is closed', async () => {
  const proxy = await startTcpProxy(testBrokers()[0]!, { open: false })
  proxies.push(proxy)
  const kafka = testKafka({ socketFactory: proxy.socketFactory })
  let heard: () => void
  const waiting = new Promise<void>((resolve) => {
    heard = resolve
  })
  const publisher = create('any', { kafka, onState: () => heard() })
  const connected = publisher.connect()
  await waiting
  proxy.restore()
  await connected
  proxy.cut()
  const other = create('any', { kafka })
  const given = other.connect()
  await other.close()
  await given
})
