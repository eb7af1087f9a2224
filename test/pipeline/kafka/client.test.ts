import { setTimeout as setTimeoutPromise } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { withAdmin } from '../../../pipeline/kafka/admin.js'
import { createKafka, kafkaConfig, type LogLevel } from '../../../pipeline/kafka/client.js'
import { internal } from '../../../pipeline/kafka/internals.js'
import { createTopic, testBrokers, uniqueName } from '../../fixtures/kafka.js'

const base = { brokers: ['a:1', 'b:2'], clientId: 'me' }

test('no TLS and no SASL unless asked for', () => {
  expect(kafkaConfig(base)).toMatchObject({ brokers: ['a:1', 'b:2'], clientId: 'me', ssl: false })
  expect(kafkaConfig(base)).not.toHaveProperty('sasl')
})

test('TLS certificates are checked unless that is switched off', () => {
  expect(kafkaConfig({ ...base, ssl: true }).ssl).toBe(true)
  expect(kafkaConfig({ ...base, ssl: { ca: 'CA', cert: 'CERT', key: 'KEY' } }).ssl).toEqual({
    ca: ['CA'],
    cert: 'CERT',
    key: 'KEY',
    rejectUnauthorized: true,
  })
  expect(kafkaConfig({ ...base, ssl: { rejectUnauthorized: false } }).ssl).toEqual({ rejectUnauthorized: false })
})

test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('SASL %s is handed on', (mechanism) => {
  const sasl = { mechanism, username: 'u', password: 'p' }
  expect(kafkaConfig({ ...base, sasl }).sasl).toEqual(sasl)
})

test('kafkajs writes nothing to the console: its lines go to onLog, without secrets', async () => {
  const written = [
    vi.spyOn(console, 'log'),
    vi.spyOn(console, 'info'),
    vi.spyOn(console, 'warn'),
    vi.spyOn(console, 'error'),
  ]
  const lines: [LogLevel, string][] = []
  const kafka = createKafka({
    brokers: ['127.0.0.1:1'],
    clientId: 'me',
    sasl: { mechanism: 'plain', username: 'u', password: 'do-not-tell' },
    onLog: (level, message, extra) => lines.push([level, `${message} ${JSON.stringify(extra)}`]),
  })
  await expect(withAdmin(kafka, (admin) => admin.listTopics())).rejects.toMatchObject({ code: 'broker-unreachable' })
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.map(([level]) => level)).toContain('warn')
  expect(JSON.stringify(lines)).not.toContain('do-not-tell')
  for (const spy of written) expect(spy).not.toHaveBeenCalled()
  vi.restoreAllMocks()
})

test('an idle connection arms no timers', async () => {
  const topic = await createTopic(uniqueName('idle'), 1)
  const queue = internal<{ prototype: { checkPendingRequests(): void } }>('network/requestQueue')!.prototype
  const kafka = createKafka({ brokers: testBrokers(), clientId: 'idle' })
  await withAdmin(kafka, async (admin) => {
    await admin.fetchTopicOffsets(topic)
    const checks = vi.spyOn(queue, 'checkPendingRequests')
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await setTimeoutPromise(50)
    expect(checks).not.toHaveBeenCalled()
    expect(timers.mock.calls.filter(([, ms]) => (ms ?? 0) < 0)).toEqual([])
    vi.restoreAllMocks()
  })
})
