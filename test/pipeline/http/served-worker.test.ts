import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type ConfigInput, parseConfig } from '../../../pipeline/config.js'
import { eventTable, levelOf } from '../../../pipeline/event-table.js'
import { createLogger } from '../../../pipeline/logging.js'
import { generateKeys } from '../../../pipeline/model/keys.js'
import type { SentCommand, Status, Stored } from '../../../pipeline/rest-views.js'
import { startServedWorker } from '../../../pipeline/serve.js'
import { createDeployment, type Deployment } from '../../fixtures/deployment.js'
import { paleScan, squeamish, storeDigitModel } from '../../fixtures/digit-models.js'
import { digitRecord } from '../../fixtures/digits.js'
import { authorized, token } from '../../fixtures/served.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'
import { copyStore } from '../../fixtures/store.js'

const logger = createLogger({ level: 'silent', pretty: false, colors: false, stream: process.stderr })

const serve = async (deployment: Deployment, port = 0, more: Partial<ConfigInput> = {}, log = logger) => {
  const config = parseConfig({
    ...deployment.settings,
    bundles: { directory: await copyStore('digits@1', 'digits@2') },
    echo: ['label'],
    http: { port, token, truth: 'label' },
    ...more,
  })
  const served = await startServedWorker({ config, logger: log, sources: new Map([['http.port', 'default']]) })
  onTestFinished(() => served.stop())
  const call = async <T = unknown>(path: string, init: RequestInit = {}): Promise<T> => {
    const answer = await fetch(served.url + path, { ...init, headers: { ...authorized, ...init.headers } })
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`)
    const isJson = answer.headers.get('content-type')?.startsWith('application/json')
    return (isJson ? await answer.json() : await answer.text()) as T
  }
  return { ...served, call }
}

const json = (method: string, body: object) => ({
  method,
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
})

test('a worker is watched and led over REST: metrics, settings, a bundle pushed, a switch, a rollback', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  const { worker, call } = await serve(deployment)
  await worker.running
  await deployment.sendDigits(50)
  await deployment.answered()

  await call('/v1/config', json('PATCH', { batch: { maxRecords: 7 } }))
  await deployment.events.until((all) =>
    all.some(({ type, reason }) => type === 'configured' && reason === 'batch.maxRecords 2048 → 7'),
  )
  await deployment.sendDigits(50)
  await deployment.answered()
  expect(worker.status.pipe.closedBy.records).toBeGreaterThanOrEqual(12)

  const pushed = await call<Stored>('/v1/models', {
    method: 'POST',
    body: await readFile('models/bundles/digits@3.tar.gz'),
    headers: { 'content-type': 'application/gzip' },
  })
  expect(pushed).toMatchObject({ ref: 'digits@3', stored: true })
  await deployment.send(0, [Buffer.from('no record')])
  const active = (model: string) =>
    deployment.events.until((all) => all.findLast(({ type }) => type === 'activated')?.model === model)
  const { command } = await call<SentCommand>('/v1/switch', json('POST', { model: 'digits@3', digest: pushed.digest }))
  await active('digits@3')
  await deployment.sendDigits(50)
  await deployment.answered()
  expect(deployment.predictions.items.at(-1)).toMatchObject({ model: 'digits@3' })

  await expect
    .poll(async () => (await call<Status>('/v1/status')).group)
    .toMatchObject({
      state: 'Stable',
      workers: [{ worker: worker.id, present: true, partitions: [0, 1] }],
      command: { command, model: 'digits@3', workers: { [worker.id]: 'activated' } },
    })
  await call('/v1/rollback', { method: 'POST' })
  await active('digits@1')
  await call('/v1/models/digits@2', { method: 'DELETE' })
  await deployment.events.until((all) => all.some(({ type, model }) => type === 'removed' && model === 'digits@2'))
  const stored = deployment.events.items.filter(({ type }) => type === 'stored')
  expect(stored.map(({ model, reason }) => [model, reason])).toContainEqual(['digits@3', 'it was uploaded over REST'])

  const metrics = await call<string>('/metrics')
  expect(metrics).toContain('millrace_records_in_total 301\n')
  expect(metrics).toContain('millrace_records_out_total{kind="dead_letter"} 1\n')
  expect(metrics).toContain('millrace_records_rejected_total{code="not-framed"} 1\n')
  expect(metrics).toContain('millrace_records_out_total{kind="predictions"} 300\n')
  expect(metrics).toContain('millrace_switches_total{result="activated"} 3\n')
  expect(metrics).toMatch(/millrace_lag_records\{partition="0"\} \d+\n/)
  for (const series of [
    'millrace_input_bytes_total ',
    'millrace_batches_total{closed_by="records"} ',
    'millrace_batch_rows_count ',
    ...['decode', 'gather', 'infer', 'encode', 'publish'].map(
      (stage) => `millrace_stage_seconds_total{stage="${stage}"} `,
    ),
    ...['batch', 'inference', 'publish'].map((queue) => `millrace_queue_seconds_count{queue="${queue}"} `),
    'millrace_inference_seconds_count{rows="2-16"} ',
    'millrace_latency_seconds_count ',
    'millrace_generation ',
    'millrace_model_state{model="digits@1",state="active"} ',
    'millrace_switch_output_gap_seconds_count ',
    'millrace_fences_total ',
    'millrace_commits_total ',
    'millrace_credit_records ',
    'nodejs_eventloop_lag_p99_seconds ',
    'process_start_time_seconds ',
  ]) {
    const line = metrics.split('\n').find((one) => one.startsWith(series))
    expect(Number(line?.slice(series.length)), series).toBeGreaterThan(0)
  }
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})

test('an event is a line of the log, from the level on that is set over REST', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const lines: { level: string; msg: string }[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const log = createLogger({ level: 'info', pretty: false, colors: false, stream })
  const { worker, call } = await serve(deployment, 0, {}, log)
  await worker.running
  expect(lines.filter(({ level }) => level === 'debug')).toEqual([])
  const activated = (times: number) =>
    deployment.events.until((all) => all.filter(({ type }) => type === 'activated').length === times)

  await call('/v1/config', json('PATCH', { logLevel: 'debug' }))
  await call('/v1/switch', json('POST', { model: 'digits@2' }))
  await activated(2)
  const events = deployment.events.items.map(({ type }) => type)
  const isSaid = (type: string, i: number) => i > events.indexOf('configured') || levelOf(type) !== 'debug'
  const untilSwitched = (types: string[]) => types.slice(0, types.indexOf('activated', types.indexOf('configured')) + 1)
  const logged = lines.map(({ msg }) => msg).filter((msg) => Object.hasOwn(eventTable, msg))
  expect(untilSwitched(logged)).toEqual(untilSwitched(events.filter(isSaid)))
  expect(logged).toContain('verifying')

  await call('/v1/config', json('PATCH', { logLevel: 'silent' }))
  const said = lines.length
  await call('/v1/rollback', { method: 'POST' })
  await activated(3)
  expect(lines.length).toBe(said)
})

test('guardrails that are set over REST roll back the model that scores already', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const directory = await copyStore('digits@1')
  await storeDigitModel(directory, 'squeamish', { graph: squeamish, golden: paleScan })
  const { worker, call } = await serve(deployment, 0, { bundles: { directory } })
  await worker.running
  await call('/v1/switch', json('POST', { model: 'digits@squeamish' }))
  const said = (type: string, model: string) =>
    deployment.events.until((all) => all.some((one) => one.type === type && one.model === model))
  await said('activated', 'digits@squeamish')
  const stream = deployment.stream(25, 10)
  await deployment.deadLetters.until((all) => all.length > 100)
  expect(worker.status.model.active).toMatchObject({ model: 'digits@squeamish' })

  await call(
    '/v1/config',
    json('PATCH', { guardrails: { windowMs: 600_000, minRecords: 60, maxErrorRate: 0.2 }, logLevel: 'warn' }),
  )
  await said('rolled-back', 'digits@squeamish')
  await deployment.events.until((all) => all.some(({ type, generation }) => type === 'activated' && generation === 3))
  await stream.end()
  await deployment.answered()
  expect(worker.status.model.active).toMatchObject({ model: 'digits@1', generation: 3 })
  expect(deployment.events.items.find(({ type }) => type === 'configured')?.reason).toBe(
    'guardrails.windowMs none → 600000, guardrails.minRecords none → 60, guardrails.maxErrorRate none → 0.2, logLevel info → warn',
  )
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})

test('a deadline that is set over REST counts for what comes from then on', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const { worker, call } = await serve(deployment, 0, { deadline: { class: 'firm', ms: 24 * 3_600_000 } })
  await worker.running
  const send = () =>
    deployment.send(
      0,
      Array.from({ length: 20 }, (_, index) => digitRecord(deployment.schemaId, index)),
      { timestamp: Date.now() - 600_000 },
    )
  await send()
  await deployment.predictions.until((all) => all.length === 20)
  await call('/v1/config', json('PATCH', { deadline: { ms: 60_000 } }))
  await deployment.events.until((all) => all.some(({ reason }) => reason === 'deadline.ms 86400000 → 60000'))
  await send()
  await deployment.late.until((all) => all.length === 20)
  expect(deployment.late.items.map(({ offset }) => offset)).toEqual(
    Array.from({ length: 20 }, (_, index) => 20 + index),
  )
  await deployment.answered()
  const metrics = await call<string>('/metrics')
  expect(metrics).toContain('millrace_deadline_records_total{class="firm"} 40\n')
  expect(metrics).toContain('millrace_deadline_missed_total{class="firm",stage="admission"} 20\n')
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})

test('the second worker on a machine takes another port, where none was asked for', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  const first = await serve(deployment)
  const { port } = new URL(first.url!)
  const second = await serve(deployment, Number(port))
  expect(second.url).not.toBe(first.url)
  expect(await second.call('/livez')).toEqual({ live: true })
})

test('a port that was asked for and is taken ends the worker before it has begun', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const { url } = await serve(deployment)
  const config = parseConfig({ ...deployment.settings, http: { port: Number(new URL(url!).port) } })
  await expect(startServedWorker({ config, logger })).rejects.toMatchObject({ code: 'port-taken' })
})

test('what REST is told goes to the whole group: bundles to every store, commands signed as every worker wants them', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  const keys = generateKeys()
  const keyFile = join(await temporaryDirectory(), 'release.key')
  await writeFile(keyFile, keys.privateKeyPem)
  const trustedKeys = [{ name: 'release', publicKeyPem: keys.publicKeyPem }]
  const first = await serve(deployment, 0, { control: { trustedKeys, keyFile } })
  const second = await serve(deployment, 0, { control: { trustedKeys } })
  await Promise.all([first.worker.running, second.worker.running])

  await first.call('/v1/models', {
    method: 'POST',
    body: await readFile('models/bundles/digits@3.tar.gz'),
    headers: { 'content-type': 'application/gzip' },
  })
  const said = (type: string, ids: readonly string[]) =>
    deployment.events.until((all) =>
      ids.every((id) => all.some((one) => one.type === type && one.worker === id && one.model === 'digits@3')),
    )
  const ids = [first.worker.id, second.worker.id]
  await said('stored', ids)
  const there = await second.call<{ models: { ref: string }[] }>('/v1/models')
  expect(there.models.map(({ ref }) => ref)).toContain('digits@3')

  await expect(second.call('/v1/switch', json('POST', { model: 'digits@2' }))).rejects.toThrow('signature-missing')
  await first.call('/v1/switch', json('POST', { model: 'digits@3' }))
  await said('activated', ids)
  expect(deployment.events.items.filter(({ type }) => type === 'failed')).toEqual([])
})
