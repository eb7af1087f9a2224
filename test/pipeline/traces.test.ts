import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { InMemorySpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { expect, onTestFinished, test } from 'vitest'
import { linkOf, linksOf } from '../../pipeline/trace-links.js'
import { openTraces } from '../../pipeline/traces.js'
import type { Headers } from '../../stages/ports.js'
import { createDeployment } from '../fixtures/deployment.js'
import { digitRecord } from '../fixtures/digits.js'
import { decoded, fetched, generation } from '../fixtures/stage-values.js'

const settings = { enabled: true, endpoint: 'http://127.0.0.1:1/v1/traces', sampleShare: 1 }
const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const parent = `00-${traceId}-${parentId}-01`

test('off, nothing of OpenTelemetry is loaded: it is imported in one place, and only there', async () => {
  expect(await openTraces({ settings: { ...settings, enabled: false }, deployment: 'd', worker: 'w' })).toBeUndefined()
  for (const name of readdirSync('pipeline', { recursive: true, encoding: 'utf8' }).filter((one) =>
    one.endsWith('.ts'),
  )) {
    const text = readFileSync(join('pipeline', name), 'utf8')
    expect([name, text.match(/^import (?!type )[^\n]*'@opentelemetry/gm)]).toEqual([name, null])
    if (name !== 'traces.ts') expect([name, text.includes("import('@opentelemetry")]).toEqual([name, false])
  }
})

test.each([['at-least-once'], ['exactly-once']] as const)(
  'a batch is a trace with a span for each stage, one after the other (%s)',
  async (delivery) => {
    const deployment = await createDeployment({ partitions: 1 })
    const exporter = new InMemorySpanExporter()
    // What was shut down shows nothing any more.
    exporter.shutdown = async () => undefined
    const traces = await openTraces({ settings, deployment: deployment.name, worker: 'w', exporter })
    const worker = await deployment.worker({ delivery }, { observer: traces!.observer })
    await deployment.sendDigits(20)
    await deployment.send(0, [digitRecord(deployment.schemaId, 0)], { headers: { traceparent: parent } })
    await deployment.send(0, [Buffer.from('nonsense')])
    await deployment.answered()
    await worker.stop()
    await traces!.close()

    const spans = exporter.getFinishedSpans()
    const batches = spans.filter(({ name, attributes }) => name === 'batch' && attributes['millrace.rows'] !== 0)
    const counts = batches.map(({ attributes }) => Number(attributes['messaging.batch.message_count']))
    expect(batches.length).toBeGreaterThan(0)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(20)
    expect(batches.flatMap(({ links }) => links.map(({ context }) => [context.traceId, context.spanId]))).toEqual([
      [traceId, parentId],
    ])
    const [batch] = batches
    expect(batch).toMatchObject({
      attributes: {
        'millrace.model': 'digits@1',
        'millrace.generation': 1,
        'messaging.destination.name': deployment.topics.input,
      },
      resource: { attributes: { 'service.name': 'millrace', 'service.instance.id': 'w' } },
    })
    const stages = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === batch!.spanContext().spanId)
    const expected = ['decode', 'wait', 'infer', 'encode', 'publish']
    expect(stages.map(({ name }) => name)).toEqual(delivery === 'exactly-once' ? expected : [...expected, 'commit'])
    let at = startOf(batch!)
    for (const one of stages) {
      expect(startOf(one)).toBeGreaterThanOrEqual(at - 1)
      at = milliseconds(one.endTime)
    }
    expect(at).toBeLessThanOrEqual(milliseconds(batch!.endTime) + 1)
  },
)
const milliseconds = ([seconds, nanoseconds]: ReadableSpan['startTime']) => seconds * 1_000 + nanoseconds / 1e6
const startOf = ({ startTime }: ReadableSpan) => milliseconds(startTime)

test('a worker tells its batches to a collector by OTLP, and one that is away keeps it from nothing', async () => {
  const received: string[] = []
  const collector = createServer((request, response) => {
    request.setEncoding('utf8')
    let body = ''
    request.on('data', (text) => {
      body += text
    })
    request.on('end', () => {
      received.push(body)
      response.setHeader('content-type', 'application/json').end('{}')
    })
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void collector.close())
  await once(collector, 'listening')
  const { port } = collector.address() as AddressInfo
  const deployment = await createDeployment({ partitions: 1 })
  const endpoint = `http://127.0.0.1:${port}/v1/traces`
  const worker = await deployment.worker({ traces: { ...settings, endpoint } })
  await deployment.sendDigits(5)
  await deployment.answered()
  await worker.stop()
  const names = received
    .flatMap((body) => JSON.parse(body).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans)
    .flatMap(({ spans }) => spans)
    .map(({ name }) => name)
  for (const name of ['batch', 'infer', 'publish', 'commit']) expect(names).toContain(name)

  const lonely = await deployment.worker({ traces: settings })
  await deployment.sendDigits(5)
  await deployment.answered()
  await lonely.stop()
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})

test.each([
  [parent, true],
  [Buffer.from(parent), true],
  [[parent, 'another'], true],
  [`cc-${traceId}-b7ad6b7169203331-01-what-comes-one-day`, true],
  [`00-${'0'.repeat(32)}-b7ad6b7169203331-01`, false],
  [`00-${traceId}-${'0'.repeat(16)}-01`, false],
  [parent.toUpperCase(), false],
  ['x'.repeat(1_000_000), false],
  ['', false],
  [undefined, false],
] as [Headers[string], boolean][])('a traceparent links, and what is none does not: %.60s', (traceparent, links) => {
  expect(linkOf({ traceparent })?.context.traceId).toBe(links ? traceId : undefined)
})

test('the number of links is bounded', () => {
  const part = decoded(
    fetched(
      0,
      0,
      Array.from({ length: 100 }, (_, offset) => offset),
    ),
    generation(1),
  )
  const records = part.records.map((record) => ({ ...record, headers: { traceparent: parent } }))
  expect(linksOf([{ ...part, records }], 32)).toHaveLength(32)
})
