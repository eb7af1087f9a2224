import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { generateKeys } from '../../../pipeline/model/keys.js'
import { authorized, serveUnderTest, token } from '../../fixtures/served.js'

test('whether it lives, and whether it is ready, with what it waits for', async () => {
  const { app, status } = await serveUnderTest()
  expect((await app.inject('/livez')).json()).toEqual({ live: true })
  expect((await app.inject('/readyz')).json()).toEqual({ ready: true, waiting: [] })
  status.ready = false
  status.parts = [{ part: 'source', state: 'waiting', detail: 'the broker', since: 0 }]
  const answer = await app.inject('/readyz')
  expect([answer.statusCode, answer.json()]).toEqual([503, { ready: false, waiting: ['source waiting: the broker'] }])
})

test('metrics are text for Prometheus', async () => {
  const { app } = await serveUnderTest()
  const answer = await app.inject('/metrics')
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(answer.body).toContain('millrace_ready 1')
})

test('the status is there while the broker is away', async () => {
  const { app } = await serveUnderTest()
  const answer = (await app.inject('/v1/status')).json()
  expect(answer).toMatchObject({ worker: 'w', model: { active: { model: 'digits@1' }, previous: null } })
  expect(answer.group).toEqual({ state: null, rates: null, workers: [], partitions: [], command: null })
})

test('settings are shown with where they came from, and secrets are not', async () => {
  const { app } = await serveUnderTest()
  const answer = await app.inject('/v1/config')
  const at = (path: string) => answer.json().settings.find((one: { path: string }) => one.path === path)
  expect(at('batch.maxRecords')).toMatchObject({ value: 2_048, source: 'default', live: true })
  expect(at('http.token')).toMatchObject({ value: '…', source: 'env', live: false, environment: 'MILLRACE_HTTP_TOKEN' })
  expect(at('brokers')).toMatchObject({ value: ['broker:9092'] })
  expect(answer.body).not.toContain(token)
  expect(answer.body).not.toContain('hidden-password')
})

const patch = (payload: object) => ({ method: 'PATCH', url: '/v1/config', headers: authorized, payload }) as const

test('what may be changed comes first, in the same order whatever is set', async () => {
  const { app } = await serveUnderTest()
  const paths = async () =>
    (await app.inject('/v1/config'))
      .json()
      .settings.flatMap((one: { path: string; live: boolean }) => (one.live ? one.path : []))
  const before = await paths()
  expect(before.slice(0, 3)).toEqual(['batch.maxRecords', 'batch.maxBytes', 'batch.maxDelayMs'])
  await app.inject(patch({ guardrails: { maxErrorRate: 0.5 } }))
  expect(await paths()).toEqual(before)
})

test('settings are changed together or not at all', async () => {
  const { app, live, log } = await serveUnderTest()
  const answer = await app.inject(patch({ batch: { maxRecords: 64 }, logLevel: 'debug' }))
  expect(answer.json()).toEqual({
    changed: [
      { path: 'batch.maxRecords', from: 2_048, to: 64 },
      { path: 'logLevel', from: 'info', to: 'debug' },
    ],
  })
  expect(live.current.batch.maxRecords).toBe(64)
  expect(log.join()).toContain('"url":"/v1/config"')
  for (const [payload, status, code] of [
    [{ batch: { maxRecords: 0 }, logLevel: 'warn' }, 400, 'request-invalid'],
    [{ batch: { maxRecords: 100_000 }, logLevel: 'warn' }, 400, 'request-invalid'],
    [{ batch: { maxRecords: 65_536 }, logLevel: 'warn' }, 422, 'config-invalid'],
    [{ credits: { records: 1 } }, 400, 'request-invalid'],
    [{ logLevel: 7 }, 400, 'request-invalid'],
    [[], 400, 'request-invalid'],
  ] as const) {
    const refused = await app.inject(patch(payload))
    expect([refused.statusCode, refused.json().code]).toEqual([status, code])
  }
  expect(live.current).toMatchObject({ logLevel: 'debug', batch: { maxRecords: 64 } })
})

test('guardrails are shown and changed, and a deadline where there is one', async () => {
  const { app } = await serveUnderTest()
  const shown = async (path: string) =>
    (await app.inject('/v1/config')).json().settings.find((one: { path: string }) => one.path === path)
  expect(await shown('guardrails.maxErrorRate')).toMatchObject({ value: null, source: 'default', live: true })
  expect(await shown('deadline.ms')).toBeUndefined()
  const changed = await app.inject(patch({ guardrails: { maxErrorRate: 0.01, minRecords: 50 } }))
  expect(changed.json().changed).toEqual([
    { path: 'guardrails.minRecords', from: null, to: 50 },
    { path: 'guardrails.maxErrorRate', from: null, to: 0.01 },
  ])
  expect(await shown('guardrails.maxErrorRate')).toMatchObject({ value: 0.01, source: 'rest', live: true })
  for (const [payload, status] of [
    [{ deadline: { ms: 100 } }, 422],
    [{ deadline: { class: 'soft' } }, 400],
    [{ guardrails: { maxErrorRate: 1.1 } }, 400],
    [{ guardrails: { keyFile: '/etc/passwd' } }, 400],
    [{ guardrails: null }, 400],
  ] as const)
    expect([payload, (await app.inject(patch(payload))).statusCode]).toEqual([payload, status])
  await app.inject(patch({ guardrails: { maxErrorRate: null } }))
  expect(await shown('guardrails.maxErrorRate')).toMatchObject({ value: null, source: 'rest' })

  const timed = await serveUnderTest({ token }, { deadline: { class: 'soft', ms: 100 } })
  const tighter = await timed.app.inject(patch({ deadline: { ms: 50 } }))
  expect(tighter.json().changed).toEqual([{ path: 'deadline.ms', from: 100, to: 50 }])
  expect((await timed.app.inject(patch({ deadline: { ms: 1 } }))).json()).toMatchObject({ code: 'config-invalid' })
  expect(timed.live.current.deadline).toEqual({ class: 'soft', ms: 50 })
})

const upload = (payload: Buffer, type = 'application/gzip') =>
  ({ method: 'POST', url: '/v1/models', headers: { ...authorized, 'content-type': type }, payload }) as const

test('a bundle is uploaded, sent to the group, listed and removed', async () => {
  const { app, pushed, said } = await serveUnderTest()
  const archive = await readFile('models/bundles/digits@2.tar.gz')
  const stored = await app.inject(upload(archive))
  expect([stored.statusCode, stored.json()]).toMatchObject([201, { ref: 'digits@2', stored: true }])
  const again = await app.inject(upload(archive, 'application/octet-stream'))
  expect([again.statusCode, again.json()]).toMatchObject([200, { stored: false }])
  expect(pushed).toEqual([archive.length, archive.length])
  const list = (await app.inject('/v1/models')).json()
  expect(list).toMatchObject({ mutable: true, models: [{ ref: 'digits@1' }, { ref: 'digits@2', problem: null }] })
  const remove = { method: 'DELETE', url: '/v1/models/digits@2', headers: authorized } as const
  expect((await app.inject(remove)).json()).toEqual({ ref: 'digits@2', digest: stored.json().digest })
  const gone = await app.inject(remove)
  expect([gone.statusCode, gone.json().code]).toEqual([404, 'model-unknown'])
  const about = { model: 'digits@2', digest: stored.json().digest }
  expect(said).toEqual([
    { type: 'stored', ...about, reason: 'it was uploaded over REST' },
    { type: 'removed', ...about, reason: 'it was deleted over REST' },
  ])
})

test('a bundle that no trusted key signed is not taken', async () => {
  const trustedKeys = [{ name: 'release', publicKeyPem: generateKeys().publicKeyPem }]
  const { app, pushed, said } = await serveUnderTest({ token }, { bundles: { trustedKeys } })
  const refused = await app.inject(upload(await readFile('models/bundles/digits@2.tar.gz')))
  expect([refused.statusCode, refused.json().code]).toEqual([422, 'signature-missing'])
  expect([...pushed, ...said]).toEqual([])
})

test('a bundle that is loaded is not removed', async () => {
  const { app, status } = await serveUnderTest()
  const [{ digest }] = (await app.inject('/v1/models')).json().models
  status.model = { ...status.model, generations: [{ generation: 1, model: 'digits@1', digest, state: 'active' }] }
  expect((await app.inject('/v1/models')).json().models[0]).toMatchObject({ state: 'active' })
  const answer = await app.inject({ method: 'DELETE', url: `/v1/models/${digest}`, headers: authorized })
  expect([answer.statusCode, answer.json().code]).toEqual([409, 'model-in-use'])
})

test('what is no bundle is refused with its reason, and so is one in a deployment that takes none', async () => {
  const { app, pushed } = await serveUnderTest()
  const nonsense = await app.inject(upload(Buffer.from('nonsense')))
  expect([nonsense.statusCode, nonsense.json().code]).toEqual([422, 'bundle-invalid'])
  expect(nonsense.json().detail).toMatch(/^the archive: /)
  const fixed = await serveUnderTest({ token }, { bundles: { mutable: false } })
  const refused = await fixed.app.inject(upload(await readFile('models/bundles/digits@2.tar.gz')))
  expect([refused.statusCode, refused.json().code]).toEqual([403, 'store-immutable'])
  expect([...pushed, ...fixed.pushed]).toEqual([])
})

test('switch and rollback are commands to the whole deployment', async () => {
  const { app, sent } = await serveUnderTest()
  const post = (url: string, payload?: object) => app.inject({ method: 'POST', url, headers: authorized, payload })
  const answer = await post('/v1/switch', { model: 'digits@2' })
  expect([answer.statusCode, answer.json()]).toEqual([202, { command: 'c', offset: 0 }])
  expect((await post('/v1/switch', { model: 'digits@2', digest: 'a'.repeat(64) })).statusCode).toBe(202)
  expect((await post('/v1/rollback')).statusCode).toBe(202)
  expect((await post('/v1/switch', { model: 'digits@2', canary: 10 })).statusCode).toBe(202)
  expect((await post('/v1/switch', { model: 'digits@2', shadow: true })).statusCode).toBe(202)
  const wrong = [
    {},
    { model: 'digits' },
    { model: 'd@1', digest: 'x' },
    { model: 'd@1', canary: 100 },
    { model: 'd@1', canary: 1, shadow: true },
  ]
  for (const body of wrong)
    expect((await post('/v1/switch', body)).json()).toMatchObject({ code: 'request-invalid', status: 400 })
  expect(sent).toEqual([
    { action: 'SWITCH', model: 'digits@2' },
    { action: 'SWITCH', model: 'digits@2', digest: 'a'.repeat(64) },
    { action: 'ROLLBACK' },
    { action: 'CANARY', model: 'digits@2', percent: 10 },
    { action: 'SHADOW', model: 'digits@2' },
  ])
})

test('a bundle is tried through its gates without a switch', async () => {
  const { app, sent } = await serveUnderTest()
  const verify = (ref: string) => app.inject({ method: 'POST', url: `/v1/models/${ref}/verify`, headers: authorized })
  const [report, meanwhile] = await Promise.all([verify('digits@1'), verify('digits@1')])
  expect(report.json()).toMatchObject({ ok: true, ref: 'digits@1' })
  expect(report.json().gates.map(({ gate }: { gate: string }) => gate)).toEqual(
    expect.arrayContaining(['digests', 'golden']),
  )
  expect([meanwhile.statusCode, meanwhile.json().code]).toEqual([503, 'too-busy'])
  expect((await verify('digits@9')).json()).toMatchObject({ code: 'model-unknown' })
  expect(sent).toEqual([])
})

test('an error says what is wrong, what exactly, and what to do, and nothing of what is inside', async () => {
  const { app, status, log } = await serveUnderTest()
  const answer = await app.inject('/v1/nothing')
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(answer.json()).toEqual({
    type: 'urn:millrace:error:not-found',
    title: 'there is nothing at this address',
    status: 404,
    detail: 'GET /v1/nothing',
    code: 'not-found',
    retryable: false,
    remedy: 'see /openapi.json',
  })
  Object.defineProperty(status, 'model', {
    get() {
      throw new Error('a secret of the inside')
    },
  })
  const failed = await app.inject('/v1/status')
  expect(failed.json()).toMatchObject({ status: 500, code: 'internal', detail: 'see the log of the worker' })
  expect(log.join()).toContain('a secret of the inside')
})

test('a method that an address does not take is refused with those it takes', async () => {
  const { app } = await serveUnderTest()
  const answer = await app.inject({ method: 'PUT', url: '/v1/config' })
  expect([answer.statusCode, answer.headers.allow, answer.json().code]).toEqual([
    405,
    'GET, HEAD, PATCH',
    'method-wrong',
  ])
})

test('the OpenAPI document has every address, with the token where something changes', async () => {
  const { app } = await serveUnderTest()
  const document = (await app.inject('/openapi.json')).json()
  const operations = Object.entries<Record<string, { security?: unknown }>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => `${method} ${path}${security ? ' token' : ''}`),
  )
  expect(operations.sort()).toEqual([
    'delete /v1/models/{ref} token',
    'get /livez',
    'get /metrics',
    'get /readyz',
    'get /v1/config',
    'get /v1/events',
    'get /v1/live',
    'get /v1/models',
    'get /v1/status',
    'patch /v1/config token',
    'post /v1/models token',
    'post /v1/models/{ref}/verify token',
    'post /v1/rollback token',
    'post /v1/switch token',
  ])
  expect(Object.keys(document.components.schemas)).toEqual(
    expect.arrayContaining(['Problem', 'Status', 'SwitchRequest']),
  )
})
