import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type ConfigFlags, type Environment, type LoadOptions, loadConfig } from '../../../pipeline/config-load.js'
import { settings } from '../../../pipeline/config-settings.js'
import { kafkaOptionsOf } from '../../../pipeline/kafka-options.js'

const fileWith = async (text: string, name = 'millrace.yaml'): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-config-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, name)
  await writeFile(path, text)
  return path
}

const basic: Environment = {
  MILLRACE_DEPLOYMENT: 'digits',
  MILLRACE_BROKERS: 'one:9092, two:9092',
  MILLRACE_REGISTRY: 'http://registry:8081',
}
const load = (flags: ConfigFlags = {}, environment: Environment = {}, more: Partial<LoadOptions> = {}) =>
  loadConfig({ flags, environment: { ...basic, ...environment }, ...more })

test('flags win over the environment, the environment over the file, the file over the defaults', async () => {
  const file = await fileWith(
    'batch:\n  maxRecords: 10\n  maxDelayMs: 11\n  maxBytes: 12\ncredits: { records: 1000 }\n',
  )
  const environment = { MILLRACE_BATCH_MAX_DELAY_MS: '21', MILLRACE_BATCH_MAX_BYTES: '22' }
  const { config, sources } = await load({ file, set: ['batch.maxBytes=32'] }, environment)
  expect(config.batch).toEqual({ maxRecords: 10, maxDelayMs: 21, maxBytes: 32 })
  expect(config.credits).toEqual({ records: 1000, bytes: 32 << 20 })
  expect(
    ['batch.maxBytes', 'batch.maxDelayMs', 'batch.maxRecords', 'credits.bytes', 'brokers', 'topics.input'].map((path) =>
      sources.get(path),
    ),
  ).toEqual(['flag', 'env', 'file', 'default', 'env', 'default'])
})

test('a flag of its own is stronger than --set, and --set takes lists, numbers, switches and groups', async () => {
  const set = [
    'model=digits@1',
    'brokers=a:1,b:2',
    'echo=[id, label]',
    'bundles.mutable=no',
    'kafka.sasl={mechanism: plain, username: u, password: "1"}',
  ]
  const { config, sources } = await load({ set, values: { model: 'digits@2', deployment: undefined } })
  expect(config).toMatchObject({
    model: 'digits@2',
    brokers: ['a:1', 'b:2'],
    echo: ['id', 'label'],
    bundles: { mutable: false },
    kafka: { sasl: { mechanism: 'plain', username: 'u', password: '1' } },
  })
  expect(sources.get('deployment')).toBe('env')
})

test('text stays text: a password of digits, a deployment called true', async () => {
  const { config } = await load(
    {},
    {
      MILLRACE_DEPLOYMENT: 'true',
      MILLRACE_SASL_MECHANISM: 'scram-sha-512',
      MILLRACE_SASL_USERNAME: 'me',
      MILLRACE_SASL_PASSWORD: '0123',
      MILLRACE_REGISTRY_USERNAME: 'reader',
      MILLRACE_REGISTRY_PASSWORD: '42',
    },
  )
  expect(config.deployment).toBe('true')
  expect(config.kafka.sasl).toEqual({ mechanism: 'scram-sha-512', username: 'me', password: '0123' })
  expect(config.registryAuth).toEqual({ username: 'reader', password: '42' })
})

test('TLS: a switch alone, or the files of a CA, which are read', async () => {
  expect((await kafkaOptionsOf((await load({}, { MILLRACE_SSL: 'true' })).config)).ssl).toBe(true)
  const caFile = await fileWith('-----BEGIN CERTIFICATE-----', 'ca.pem')
  const { config } = await load({}, { MILLRACE_SSL: 'true', MILLRACE_SSL_CA_FILE: caFile })
  expect(await kafkaOptionsOf(config)).toMatchObject({
    brokers: ['one:9092', 'two:9092'],
    ssl: { ca: '-----BEGIN CERTIFICATE-----', rejectUnauthorized: true },
  })
  const missing = (await load({}, { MILLRACE_SSL_CA_FILE: '/nowhere/ca.pem' })).config
  await expect(kafkaOptionsOf(missing)).rejects.toMatchObject({ code: 'file-unreadable' })
})

test('a setting that does not exist is refused with the nearest that does', async () => {
  const refusal = (set: string) => load({ set: [set] }).catch((error: Error) => error.message)
  expect(await refusal('batch.maxRecord=1')).toContain('no setting batch.maxRecord; did you mean batch.maxRecords?')
  expect(await refusal('maxDelayMs=1')).toContain('did you mean batch.maxDelayMs?')
  expect(await refusal('__proto__.x=1')).toContain('no setting __proto__.x')
  expect(await refusal('colour=red')).toMatch(/no setting colour$/)
  const file = await fileWith('kafka:\n  grupId: x\n')
  await expect(load({ file })).rejects.toThrow(
    /millrace\.yaml: there is no setting kafka\.grupId; did you mean kafka\.groupId/,
  )
})

test.each([
  ['batch: [', 'config-invalid'],
  ['just a line', 'config-invalid'],
  ['{"batch": {"maxRecords": "many"}}', 'config-invalid'],
])('a file that says %s is one line of error', async (text, code) => {
  const failure = await load({ file: await fileWith(text) }).catch((error) => error)
  expect(failure).toMatchObject({ code })
  expect(failure.message).not.toContain('\n')
})

test('a file that is not there, and one that is empty', async () => {
  await expect(load({ file: '/nowhere.yaml' })).rejects.toMatchObject({ code: 'file-unreadable' })
  expect((await load({}, { MILLRACE_CONFIG: await fileWith('') })).config.deployment).toBe('digits')
  expect((await load({ file: await fileWith('batch:\n') })).config.batch.maxRecords).toBe(2_048)
})

test('a JSON file', async () => {
  const { config } = await load({ file: await fileWith('{"topics": {"input": "scans"}}', 'c.json') })
  expect(config.topics).toMatchObject({ input: 'scans', predictions: 'digits.predictions' })
})

test('without brokers the local stack is used; without a stack it says what to do', async () => {
  const stack = { brokers: '127.0.0.1:1', registry: 'http://127.0.0.1:2' }
  const environment = { MILLRACE_BROKERS: undefined, MILLRACE_REGISTRY: undefined }
  const { config, sources } = await load({}, environment, { findStack: async () => stack })
  expect([config.brokers, config.registry]).toEqual([['127.0.0.1:1'], 'http://127.0.0.1:2'])
  expect([sources.get('brokers'), sources.get('registry')]).toEqual(['stack', 'stack'])
  await expect(load({}, environment, { findStack: async () => undefined })).rejects.toMatchObject({
    code: 'no-brokers',
  })
  await expect(load({}, { MILLRACE_REGISTRY: '' })).rejects.toThrow('registry is not set: give --registry URL')
})

test('what a command can do without has a fallback', async () => {
  const { config } = await load({}, { MILLRACE_DEPLOYMENT: '' }, { fallback: { deployment: 'any' } })
  expect(config.deployment).toBe('any')
})

test('every setting has an environment variable of its own', () => {
  const names = settings.map(({ environment }) => environment)
  expect(new Set(names).size).toBe(names.length)
  expect(names.every((name) => /^MILLRACE_[A-Z0-9_]+$/.test(name))).toBe(true)
  expect(names).toEqual(expect.arrayContaining(['MILLRACE_REGISTRY_CA_FILE', 'MILLRACE_LOG_LEVEL', 'MILLRACE_MODEL']))
})
