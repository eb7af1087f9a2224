import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createAuth } from '../../../pipeline/http/auth.js'
import { authorized, serveUnderTest, token } from '../../fixtures/served.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

const rollback = (headers: Record<string, string> = {}) => ({ method: 'POST', url: '/v1/rollback', headers }) as const

test.each([
  ['no token', {}],
  ['another token', { authorization: 'Bearer another-token-than-that' }],
  ['the beginning of the token', { authorization: `Bearer ${token.slice(0, -1)}` }],
  ['more than the token', { authorization: `Bearer ${token}x` }],
  ['the token as a password', { authorization: `Basic ${Buffer.from(`:${token}`).toString('base64')}` }],
  ['the token without its scheme', { authorization: token }],
])('nothing is changed with %s', async (_what, headers) => {
  const { app, sent } = await serveUnderTest()
  const answer = await app.inject(rollback(headers))
  expect([answer.statusCode, answer.json().code]).toEqual([401, 'token-wrong'])
  expect(answer.headers['www-authenticate']).toBe('Bearer realm="millrace"')
  expect(sent).toEqual([])
})

test('every address that changes something asks for the token before it looks at the body', async () => {
  const { app } = await serveUnderTest()
  const { paths } = (await app.inject('/openapi.json')).json()
  for (const [path, methods] of Object.entries<object>(paths))
    for (const method of Object.keys(methods).filter((one) => one !== 'get')) {
      const url = path.replace('{ref}', 'digits@1')
      const answer = await app.inject({
        method: method.toUpperCase() as 'POST',
        url,
        payload: '{',
        headers: { 'content-type': 'application/json' },
      })
      expect([path, method, answer.statusCode]).toEqual([path, method, 401])
    }
})

test('without a configured token everything is shown and nothing is changed', async () => {
  const { app, sent } = await serveUnderTest({})
  const answer = await app.inject(rollback(authorized))
  expect([answer.statusCode, answer.json().code]).toEqual([403, 'token-missing'])
  expect((await app.inject('/v1/status')).statusCode).toBe(200)
  expect(sent).toEqual([])
})

test('a token in a file can be replaced while the worker runs', async () => {
  const file = join(await temporaryDirectory(), 'token')
  await writeFile(file, `${token}\n`)
  const { app } = await serveUnderTest({ tokenFile: file })
  expect((await app.inject(rollback(authorized))).statusCode).toBe(202)
  await writeFile(file, 'another-token-from-now-on\n')
  expect((await app.inject(rollback(authorized))).statusCode).toBe(401)
})

test('after ten wrong tokens an address has to wait, with the right one too; others have not', async () => {
  const clock = { now: 0 }
  const auth = createAuth(
    async () => token,
    () => clock.now,
  )
  const codeOf = (authorization: string | undefined, address: string) =>
    auth.check(authorization, address).then(
      () => 'let in',
      ({ code }) => code,
    )
  for (let i = 0; i < 20; i++) expect(await codeOf(undefined, 'a')).toBe('token-wrong')
  for (let i = 0; i < 10; i++) expect(await codeOf(`Bearer guess-${i}`, 'a')).toBe('token-wrong')
  expect(await codeOf(`Bearer ${token}`, 'a')).toBe('too-many-failures')
  expect(await codeOf(`Bearer ${token}`, 'b')).toBe('let in')
  clock.now = 60_001
  expect(await codeOf(`Bearer ${token}`, 'a')).toBe('let in')
})

test('how long to wait is said in a header', async () => {
  const { app, log } = await serveUnderTest()
  for (let i = 0; i < 10; i++) await app.inject(rollback({ authorization: 'Bearer guess' }))
  const answer = await app.inject(rollback(authorized))
  expect(answer.statusCode).toBe(429)
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(50)
  expect(log.join()).not.toContain(token)
})

test('a body that is too large is refused while it arrives', async () => {
  const { app } = await serveUnderTest({ token, maxUploadBytes: 1_000 })
  const archive = {
    method: 'POST',
    url: '/v1/models',
    headers: { ...authorized, 'content-type': 'application/gzip' },
  } as const
  const announced = await app.inject({ ...archive, payload: Buffer.alloc(2_000) })
  expect([announced.statusCode, announced.json().code]).toEqual([413, 'body-too-large'])
  const json = await app.inject({
    method: 'PATCH',
    url: '/v1/config',
    headers: authorized,
    payload: { logLevel: 'x'.repeat(70_000) },
  })
  expect([json.statusCode, json.json().code]).toEqual([413, 'body-too-large'])
})

test.each([
  ['text/plain', 415],
  ['application/xml', 415],
  ['multipart/form-data; boundary=x', 415],
])('a body of type %s is not taken', async (type, status) => {
  const { app } = await serveUnderTest()
  for (const url of ['/v1/models', '/v1/switch']) {
    const answer = await app.inject({
      method: 'POST',
      url,
      headers: { ...authorized, 'content-type': type },
      payload: 'x',
    })
    expect([answer.statusCode, answer.json().code]).toEqual([status, 'media-type-wrong'])
  }
})

test('an archive is no request to switch, and JSON is no archive', async () => {
  const { app, sent } = await serveUnderTest()
  const send = (url: string, type: string) =>
    app.inject({
      method: 'POST',
      url,
      headers: { ...authorized, 'content-type': type },
      payload: '{"model":"digits@1"}',
    })
  expect((await send('/v1/switch', 'application/gzip')).statusCode).toBe(415)
  expect((await send('/v1/models', 'application/json')).statusCode).toBe(415)
  expect(sent).toEqual([])
})

test('a page that gives its own name the address of this machine sees nothing', async () => {
  const { app } = await serveUnderTest({ token, names: ['millrace.example'] })
  const as = (host: string) => app.inject({ url: '/v1/status', headers: { host } })
  const answer = await as('evil.example:8085')
  expect([answer.statusCode, answer.json().code]).toEqual([421, 'host-refused'])
  for (const host of ['127.0.0.1:8085', 'localhost:8085', '[::1]:8085', 'millrace.example', 'MILLRACE.example:443'])
    expect([host, (await as(host)).statusCode]).toEqual([host, 200])
})

test('every answer says that nothing may be loaded from elsewhere, framed, guessed or kept', async () => {
  const { app } = await serveUnderTest()
  for (const url of ['/', '/v1/status', '/nothing', '/metrics']) {
    const { headers } = await app.inject(url)
    expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    })
    expect(headers['access-control-allow-origin']).toBeUndefined()
  }
})

test('of the folder of the page its own files are served, and nothing beside it', async () => {
  const folder = join(await temporaryDirectory(), 'page')
  await mkdir(join(folder, 'assets'), { recursive: true })
  await writeFile(join(folder, 'index.html'), '<!doctype html>')
  await writeFile(join(folder, 'assets/main-1.js'), 'start()')
  await writeFile(join(folder, 'notes.txt'), 'not for the world')
  await writeFile(join(folder, '../beside.js'), 'no')
  const { app } = await serveUnderTest({ token }, {}, folder)
  const page = await app.inject('/')
  expect([page.body, page.headers['content-type'], page.headers['cache-control']]).toEqual([
    '<!doctype html>',
    'text/html; charset=utf-8',
    'no-cache',
  ])
  expect((await app.inject({ url: '/', headers: { 'if-none-match': page.headers.etag! } })).statusCode).toBe(304)
  expect((await app.inject('/assets/main-1.js')).headers['cache-control']).toContain('immutable')
  for (const url of ['/notes.txt', '/../beside.js', '/%2e%2e/beside.js', '/assets/..%2f..%2fbeside.js'])
    expect([url, (await app.inject(url)).statusCode]).toEqual([url, 404])
})
