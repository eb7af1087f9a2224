import { readFile } from 'node:fs/promises'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type ConfigInput, parseConfig } from '../../../pipeline/config.js'
import { createLogger } from '../../../pipeline/logging.js'
import { startServedWorker } from '../../../pipeline/serve.js'
import { makeCertificates } from '../../fixtures/certificates.js'
import { createDeployment } from '../../fixtures/deployment.js'
import { authorized, serveUnderTest, token } from '../../fixtures/served.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'
import { copyStore } from '../../fixtures/store.js'

const ask = (url: string, options: RequestOptions & https.RequestOptions = {}): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const { request } = url.startsWith('https:') ? https : http
    request(url, options, (answer) => resolve(answer.resume()))
      .on('error', reject)
      .end()
  })

const certificates = async () => {
  const directory = await temporaryDirectory()
  await makeCertificates(directory, ['worker', 'other'])
  return (name: string) => join(directory, name)
}

const serve = async (settings: ConfigInput['http']) => {
  const deployment = await createDeployment({ partitions: 1 })
  const log: string[] = []
  const served = await startServedWorker({
    config: parseConfig({
      ...deployment.settings,
      bundles: { directory: await copyStore('digits@1') },
      http: { port: 0, token, ...settings },
    }),
    logger: createLogger({
      level: 'info',
      pretty: false,
      colors: false,
      stream: { write: (line) => void log.push(line) },
    }),
  })
  onTestFinished(() => served.stop())
  return { url: served.url!, log }
}

test('with a certificate REST speaks HTTPS and nothing else, to whoever trusts it and shows the token', async () => {
  const at = await certificates()
  const { url, log } = await serve({
    host: '0.0.0.0',
    tls: { certFile: at('worker.pem'), keyFile: at('worker.key') },
  })
  expect(url).toMatch(/^https:/)
  const here = url.replace('0.0.0.0', '127.0.0.1')
  const ca = await readFile(at('ca.pem'))
  const live = await ask(`${here}/livez`, { ca })
  expect([live.statusCode, live.headers['strict-transport-security']]).toEqual([200, 'max-age=31536000'])
  const remove = { ca, method: 'DELETE' }
  expect((await ask(`${here}/v1/models/no@1`, remove)).statusCode).toBe(401)
  expect((await ask(`${here}/v1/models/no@1`, { ...remove, headers: authorized })).statusCode).toBe(404)

  await expect(ask(`${here}/livez`)).rejects.toThrow(/certificate/)
  await expect(ask(here.replace('https:', 'http:'))).rejects.toThrow(/hang up|ECONNRESET/)
  expect(log.join()).not.toContain('in the clear')
})

test('a worker that others reach without TLS says what that means', async () => {
  const { url, log } = await serve({ host: '0.0.0.0' })
  expect(url).toMatch(/^http:/)
  expect(log.join()).toContain('the token crosses the network in the clear')
})

test('what is no certificate with its key is refused before anything listens', async () => {
  const at = await certificates()
  const refused = (certFile: string, keyFile: string) => serveUnderTest({ token, tls: { certFile, keyFile } })
  await expect(refused(at('worker.pem'), at('other.key'))).rejects.toMatchObject({
    code: 'config-invalid',
    detail: expect.stringMatching(/^http\.tls: .*mismatch/),
  })
  await expect(refused(at('worker.key'), at('worker.key'))).rejects.toMatchObject({ code: 'config-invalid' })
  await expect(refused(at('nowhere.pem'), at('worker.key'))).rejects.toMatchObject({
    code: 'file-unreadable',
    detail: expect.stringMatching(/^http\.tls\.certFile: /),
  })
})
