import { expect, onTestFinished, test } from 'vitest'
import { withAdmin } from '../../../pipeline/kafka/admin.js'
import { type ReadTopicOptions, readTopic } from '../../../pipeline/kafka/topic-reader.js'
import { createTopic, send, testBrokers, testKafka, uniqueName } from '../../fixtures/kafka.js'
import { startTcpProxy } from '../../fixtures/tcp-proxy.js'

const options = { from: 'beginning', follow: false, maxWaitMs: 50 } as const

/** Values by partition of everything that is read. */
const read = async (topic: string, given: Partial<ReadTopicOptions> = {}, kafka = testKafka()) => {
  const values: string[][] = []
  for await (const { partition, records } of readTopic(kafka, topic, { ...options, ...given })) {
    values[partition] ??= []
    values[partition].push(...records.map(({ value }) => String(value)))
  }
  return values
}

const threePartitions = async (): Promise<string> => {
  const topic = await createTopic(uniqueName('reader'), 3)
  await send(topic, 0, ['a', 'b', 'c'])
  await send(topic, 2, ['x'])
  return topic
}

test('all partitions are read in order to the end that they had, empty ones as well', async () => {
  const topic = await threePartitions()
  expect(await read(topic)).toEqual([['a', 'b', 'c'], undefined, ['x']])
  expect(await read(await createTopic(uniqueName('empty'), 2))).toEqual([])
})

test('reading begins where it is told to', async () => {
  const topic = await threePartitions()
  expect(await read(topic, { from: 'end' })).toEqual([])
  expect(await read(topic, { from: new Map([[0, 2]]) })).toEqual([['c'], undefined, ['x']])
  expect(await read(topic, { from: { last: 2 } })).toEqual([['b', 'c'], undefined, ['x']])
})

test('who follows gets what comes later, and ends by its signal', async () => {
  const topic = await threePartitions()
  const stopping = new AbortController()
  const reading = readTopic(testKafka(), topic, { ...options, follow: true, signal: stopping.signal })
  await reading.next()
  await reading.next()
  const later = reading.next()
  await send(topic, 1, ['later'])
  expect(String((await later).value?.records[0]?.value)).toBe('later')
  const end = reading.next()
  stopping.abort()
  expect((await end).done).toBe(true)
})

test('a broker that goes away is waited for, without repeats', async () => {
  const topic = await threePartitions()
  const proxy = await startTcpProxy(testBrokers()[0]!)
  onTestFinished(() => proxy.close())
  const stopping = new AbortController()
  const states: string[] = []
  const values: string[] = []
  const reading = readTopic(testKafka({ socketFactory: proxy.socketFactory }), topic, {
    ...options,
    follow: true,
    signal: stopping.signal,
    onState: (state) => {
      states.push(state)
      if (state === 'waiting') proxy.restore()
    },
  })
  for await (const { records } of reading) {
    values.push(...records.map(({ value }) => String(value)))
    if (values.length === 4) {
      proxy.cut()
      await send(topic, 1, ['later'])
    }
    if (values.length > 4) stopping.abort()
  }
  expect(values.sort()).toEqual(['a', 'b', 'c', 'later', 'x'])
  expect(states.filter((state) => state === 'running')).toEqual(['running'])
})

test('what retention takes away while it is read is skipped', async () => {
  const topic = await createTopic(uniqueName('retention'), 1)
  await send(topic, 0, ['a'])
  const reading = readTopic(testKafka(), topic, { ...options, follow: true })
  expect((await reading.next()).value?.records.map(({ offset }: { offset: number }) => offset)).toEqual([0])
  await send(topic, 0, ['b', 'c', 'd'])
  await withAdmin(testKafka(), async (admin) => {
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
  })
  expect((await reading.next()).value?.records.map(({ value }: { value: Buffer }) => String(value))).toEqual(['d'])
  await reading.return(undefined)
})

test('a topic that does not exist is an error, and so is a broker that was never there', async () => {
  await expect(read(uniqueName('gone'))).rejects.toMatchObject({ code: 'topic-missing' })
  await expect(read('any', {}, testKafka({ brokers: ['127.0.0.1:1'] }))).rejects.toMatchObject({
    code: 'broker-unreachable',
  })
})
