import { expect, test } from 'vitest'
import { parseConfig } from '../../../pipeline/config.js'
import { isLoopback, showsSamples } from '../../../pipeline/config-http.js'
import { settingAt } from '../../../pipeline/config-settings.js'

const parse = (http: object, more: object = {}) =>
  parseConfig({ deployment: 'd', brokers: ['b:1'], registry: 'http://r', http, ...more }).http

test('by default it listens on this machine alone, and nobody has a token', () => {
  expect(parse({})).toMatchObject({ enabled: true, host: '127.0.0.1', port: 8085, names: [] })
  expect(parse({}).token).toBeUndefined()
})

test.each([
  ['beyond this machine without a token', { host: '0.0.0.0' }, /http\.host: 0\.0\.0\.0 is reached from other machines/],
  ['a name that may be any machine', { host: 'worker-1' }, /http\.host: worker-1 is reached/],
  ['a short token', { token: 'secret' }, /http\.token: /],
  ['a token twice', { token: 'a'.repeat(16), tokenFile: '/t' }, /http\.tokenFile: is given beside token/],
  ['half a certificate', { tls: { certFile: '/c' } }, /http\.tls\.keyFile/],
  ['a truth that is not carried along', { truth: 'label' }, /http\.truth: label is not in echo/],
])('%s is refused', (_what, http, message) => {
  expect(() => parse(http)).toThrow(message)
})

test('beyond this machine it listens with a token or not at all', () => {
  expect(parse({ host: '0.0.0.0', token: 'a'.repeat(16) }).host).toBe('0.0.0.0')
  expect(parse({ host: '::', tokenFile: '/run/secrets/token' }).host).toBe('::')
  expect(parse({ host: '0.0.0.0', enabled: false }).host).toBe('0.0.0.0')
  expect(parse({ truth: 'label' }, { echo: ['label'] }).truth).toBe('label')
})

test.each([
  ['127.0.0.1', true],
  ['127.8.8.8', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['127.evil.example', false],
])('%s is this machine alone: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})

test('records are shown on this machine alone, unless somebody says otherwise', () => {
  const token = 'a'.repeat(16)
  expect(showsSamples(parse({}))).toBe(true)
  expect(showsSamples(parse({ host: '0.0.0.0', token }))).toBe(false)
  expect(showsSamples(parse({ host: '0.0.0.0', token, samples: true }))).toBe(true)
  expect(showsSamples(parse({ samples: false }))).toBe(false)
})

test('it can be set by environment variables', () => {
  expect(settingAt('http.tokenFile')).toMatchObject({ environment: 'MILLRACE_HTTP_TOKEN_FILE', kind: 'text' })
  expect(settingAt('http.port')).toMatchObject({ environment: 'MILLRACE_HTTP_PORT', kind: 'number' })
})
