/** The unit is one that systemd takes whole, and what it says is right for the worker that it starts. */
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { stringify } from 'yaml'
import { parseConfig } from '../../pipeline/config.js'
import { millrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'
import { readUnit, startService, systemdAnalyze } from '../fixtures/systemd.js'

const path = 'docker/systemd/millrace.service'
const unit = await readUnit(path)

/** What systemd has against a unit; Node is where it is on this machine. */
const faultsOf = async (text: string): Promise<string[]> => {
  const copy = join(await temporaryDirectory(), 'millrace.service')
  await writeFile(copy, text.replace('/usr/bin/node', process.execPath))
  const { stderr } = await systemdAnalyze(['verify', '--man=no', copy]).catch((error: { stderr: string }) => error)
  return stderr.split('\n').filter((line) => line.includes('millrace.service'))
}

test('systemd finds nothing that it would ignore, and does find what is wrong', async () => {
  const text = await readFile(path, 'utf8')
  expect(await faultsOf(text)).toEqual([])
  for (const [right, wrong] of [
    ['TimeoutStopSec=', 'TimeoutStopSeconds='],
    ['KillSignal=SIGTERM', 'KillSignal=SIGTERMINATE'],
    ['KillMode=mixed', 'KillMode=mixture'],
    ['/usr/bin/node', '/usr/bin/no-such-program'],
  ] as const) {
    expect(text).toContain(right)
    expect(await faultsOf(text.replace(right, wrong)), wrong).not.toEqual([])
  }
})

test('a service is kept from what it does not need: systemd itself reckons so', async () => {
  const { stdout } = await systemdAnalyze(['security', '--offline=yes', '--no-pager', path])
  expect(Number(/Overall exposure level for millrace.service: ([\d.]+)/.exec(stdout)![1])).toBeLessThan(2.5)
})

test('a service has the time to stop in order, and its signal is for the worker alone', () => {
  const { drainTimeoutMs } = parseConfig({ deployment: 'd', brokers: ['b:1'], registry: 'http://r:1' })
  expect(Number(unit.setting('TimeoutStopSec'))).toBeGreaterThanOrEqual(drainTimeoutMs / 1_000 + 10)
  expect([unit.setting('KillMode'), unit.setting('KillSignal')]).toEqual(['mixed', 'SIGTERM'])
})

test('it starts the program as the image does', () => {
  const image = readFileSync('docker/Dockerfile', 'utf8')
  const words = [/^ENTRYPOINT (.*)$/m, /^CMD (.*)$/m].flatMap((line) => JSON.parse(line.exec(image)![1]!) as string[])
  expect(unit.setting('ExecStart')).toBe(words.join(' ').replace('node dist', '/usr/bin/node /opt/millrace/dist'))
})

test('a service starts with what its unit gives it, takes a bundle that is pushed, scores, stops, and asks the kernel for nothing else', async () => {
  const trace = join(await temporaryDirectory(), 'trace')
  const { name, sendDigits, answered, account } = await createDeployment()
  await sendDigits(50)
  const service = await startService(unit, {
    config: stringify({ deployment: name, model: 'digits@1' }),
    environment: { MILLRACE_BROKERS: inject('brokers'), MILLRACE_REGISTRY: inject('registry') },
    trace,
  })
  expect((await millrace(['models', 'push', 'models/bundles/digits@1.tar.gz', '--deployment', name])).code).toBe(0)
  await answered()
  expect(account()).toEqual({ missing: [], repeated: [] })
  service.child.kill(unit.setting('KillSignal') as NodeJS.Signals)
  expect(await service.finished).toMatchObject({ code: 0 })
  const asked = (await readFile(trace, 'utf8')).split('\n').filter((line) => line !== '')
  const families = asked.map((line) => /^\d+ +socket\((AF_\w+)/.exec(line)?.[1] ?? line)
  expect([...new Set(families)].filter((one) => !unit.words('RestrictAddressFamilies').includes(one))).toEqual([])
  expect(families).toContain('AF_INET')
})

test('a configuration that is not valid ends it for good', async () => {
  const environment = { MILLRACE_BROKERS: inject('brokers'), MILLRACE_REGISTRY: inject('registry') }
  const service = await startService(unit, { config: 'deployment: digits\ndrainTimeout: 5000', environment })
  const { code, stderr } = await service.finished
  expect(stderr).toContain('drainTimeoutMs')
  expect(String(code)).toBe(unit.setting('RestartPreventExitStatus'))
})
