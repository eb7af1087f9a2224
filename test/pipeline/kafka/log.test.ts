import { connect, type Socket } from 'node:net'
import kafkajs from 'kafkajs'
import { afterEach, expect, test } from 'vitest'
import { withAdmin } from '../../../pipeline/kafka/admin.js'
import { type LogEntry, logEnd, type ReadLogOptions, readLog } from '../../../pipeline/kafka/log.js'
import { createLogWriter } from '../../../pipeline/kafka/log-writer.js'
import { createTopic, send, testBrokers, testKafka, uniqueName } from '../../fixtures/kafka.js'
import { startTcpProxy, type TcpProxy } from '../../fixtures/tcp-proxy.js'

const controllers: AbortController[] = []
const proxies: TcpProxy[] = []
afterEach(async () => {
  for (const controller of controllers.splice(0)) controller.abort()
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()))
})

const follow = (topic: string, options: ReadLogOptions = {}, kafka = testKafka()) => {
  const controller = new AbortController()
  controllers.push(controller)
  const entries: Exclude<LogEntry, { type: 'reached' }>[] = []
  const reached: number[] = []
  const states: string[] = []
  let heard: () => void = () => undefined
  const hear = () => heard()
  const finished = new Promise<void>((resolve, reject) => {
    readLog(kafka, topic, {
      signal: controller.signal,
      maxWaitMs: 50,
      onState: (state, detail) => {
        states.push(`${state} ${detail}`)
        hear()
      },
      ...options,
    }).subscribe({
      next: (entry) => {
        if (entry.type === 'reached') reached.push(entry.offset)
        else entries.push(entry)
        hear()
      },
      complete: resolve,
      error: reject,
    })
  })
  finished.catch(() => undefined)
  return {
    controller,
    entries,
    reached,
    states,
    finished,
    values: () =>
      entries.map((entry) => (entry.type === 'entry' ? String(entry.record.value) : `end at ${entry.offset}`)),
    until: async (condition: () => boolean) => {
      while (!condition())
        await new Promise<void>((resolve) => {
          heard = resolve
        })
    },
  }
}

test('everything is read from the beginning, then that it is, then what comes', async () => {
  const topic = await createTopic(uniqueName('log'), 1)
  await send(topic, 0, ['a', 'b'])
  const log = follow(topic)
  await log.until(() => log.entries.length === 3)
  await send(topic, 0, ['c'])
  await log.until(() => log.entries.length === 4)
  expect(log.values()).toEqual(['a', 'b', 'end at 2', 'c'])
})

test('how far the reading has come is said after what was read, and the end can be asked for', async () => {
  const topic = await createTopic(uniqueName('reached'), 1)
  await send(topic, 0, ['a', 'b'])
  const log = follow(topic)
  await log.until(() => log.reached.includes(2))
  expect(log.entries.length).toBeGreaterThanOrEqual(2)
  await send(topic, 0, ['c'])
  expect(await logEnd(testKafka(), topic)).toBe(3)
  await log.until(() => log.reached.includes(3))
  expect(log.reached).toEqual([...log.reached].sort((one, other) => one - other))
})

test('an empty log is caught up with at once', async () => {
  const log = follow(await createTopic(uniqueName('empty'), 1))
  await log.until(() => log.entries.length === 1)
  expect(log.values()).toEqual(['end at 0'])
})

test('reading can begin at the end', async () => {
  const topic = await createTopic(uniqueName('end'), 1)
  await send(topic, 0, ['a', 'b'])
  const log = follow(topic, { fromBeginning: false })
  await log.until(() => log.entries.length === 1)
  await send(topic, 0, ['c'])
  await log.until(() => log.entries.length === 2)
  expect(log.values()).toEqual(['end at 2', 'c'])
})

test('a log whose beginning has expired is read from what is left', async () => {
  const topic = await createTopic(uniqueName('expired'), 1)
  await send(topic, 0, ['a', 'b', 'c'])
  const truncate = (offset: string) =>
    withAdmin(testKafka(), async (admin) => {
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] })
    })
  await truncate('2')
  const some = follow(topic)
  await some.until(() => some.entries.length === 2)
  expect(some.values()).toEqual(['c', 'end at 3'])
  await truncate('3')
  const none = follow(topic)
  await none.until(() => none.entries.length === 1)
  expect(none.values()).toEqual(['end at 3'])
})

test('a topic that does not exist is waited for', async () => {
  const topic = uniqueName('later')
  const log = follow(topic)
  await log.until(() => log.states.some((state) => state.startsWith('waiting a topic does not exist')))
  await createTopic(topic, 1)
  await log.until(() => log.entries.length === 1)
  expect(log.values()).toEqual(['end at 0'])
})

test('after the broker was away reading goes on at the next entry, without repeats', async () => {
  const topic = await createTopic(uniqueName('away'), 1)
  await send(topic, 0, ['a', 'b'])
  const proxy = await startTcpProxy(testBrokers()[0]!)
  proxies.push(proxy)
  const log = follow(topic, {}, testKafka({ socketFactory: proxy.socketFactory }))
  await log.until(() => log.entries.length === 3)
  proxy.cut()
  await log.until(() => log.states.some((state) => state.startsWith('waiting')))
  await send(topic, 0, ['c'])
  proxy.restore()
  await log.until(() => log.entries.length === 4)
  expect(log.values()).toEqual(['a', 'b', 'end at 2', 'c'])
})

test('what an aborted transaction wrote is not an entry, and markers do not keep the reader from catching up', async () => {
  const topic = await createTopic(uniqueName('transactions'), 1)
  const producer = testKafka().producer({
    transactionalId: uniqueName('tx'),
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  for (const end of ['commit', 'abort'] as const) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ partition: 0, value: end }] })
    await transaction[end]()
  }
  await producer.disconnect()
  const log = follow(topic)
  await log.until(() => log.entries.length === 2)
  expect(log.values()).toEqual(['commit', 'end at 4'])
})

test('the signal ends it, also while it waits', async () => {
  const log = follow(uniqueName('never'))
  await log.until(() => log.states.some((state) => state.startsWith('waiting')))
  log.controller.abort()
  await log.finished
  expect(log.states.at(-1)).toMatch(/^stopped/)
})

test('appending returns the offsets, in the order of the calls', async () => {
  const topic = await createTopic(uniqueName('append'), 1)
  const writer = createLogWriter(testKafka(), topic)
  const offsets = await Promise.all(
    ['a', 'b', 'c'].map((value) => writer.append('key', Buffer.from(value), { reason: value })),
  )
  expect(offsets).toEqual([0, 1, 2])
  await writer.close()
  const log = follow(topic)
  await log.until(() => log.entries.length === 4)
  expect(log.entries[1]).toMatchObject({
    type: 'entry',
    record: { offset: 1, key: Buffer.from('key'), headers: { reason: Buffer.from('b') } },
  })
})

test('an append that cannot be done says why, and the next one is tried', async () => {
  const topic = uniqueName('missing')
  const writer = createLogWriter(testKafka(), topic)
  await expect(writer.append(null, Buffer.from('a'))).rejects.toMatchObject({ code: 'topic-missing' })
  await createTopic(topic, 1)
  expect(await writer.append(null, Buffer.from('b'))).toBe(0)
  await writer.close()
  await expect(writer.append(null, Buffer.from('c'))).rejects.toMatchObject({ code: 'internal' })
})

test('a reading that is ended at any moment leaves no connection behind', async () => {
  const topic = await createTopic(uniqueName('ended'), 1)
  const open = new Set<Socket>()
  let closed: () => void = () => undefined
  /** Ends the reading when its connections have come up or said something for the `moment`th time. */
  const endedAt = (moment: number) => {
    let happened = 0
    const count = () => {
      if (++happened === moment) log.controller.abort()
    }
    const kafka = testKafka({
      socketFactory: ({ host, port, onConnect }) => {
        const socket = connect({ host, port }).on('connect', count).on('data', count).on('connect', onConnect)
        open.add(socket)
        socket.on('close', () => {
          open.delete(socket)
          closed()
        })
        return socket
      },
    })
    const log = follow(topic, {}, kafka)
    return log.finished
  }
  await Promise.all(Array.from({ length: 12 }, (_, moment) => endedAt(moment + 1)))
  while (open.size > 0)
    await new Promise<void>((resolve) => {
      closed = resolve
    })
})
