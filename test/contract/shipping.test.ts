/** What Millrace is shipped with names what there is. Kubernetes, systemd and the image have tests of their own. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../../pipeline/config.js'
import { settingAt, settings } from '../../pipeline/config-settings.js'

const read = (path: string) => parse(readFileSync(join('docker', path), 'utf8'))
const variables = new Set(settings.map(({ environment }) => environment).concat('MILLRACE_CONFIG'))

test('every variable that is set anywhere here is one of a setting', () => {
  const text = [
    'compose.yaml',
    'kubernetes/base/deployment.yaml',
    'kubernetes/overlays/immutable/kustomization.yaml',
    'systemd/millrace.service',
  ]
    .map((path) => readFileSync(join('docker', path), 'utf8'))
    .join('\n')
  const set = [...text.matchAll(/(?<!\$\{)\bMILLRACE_[A-Z_]+/g)].map(([name]) => name)
  expect(set.length).toBeGreaterThan(5)
  expect(set.filter((name) => !variables.has(name))).toEqual([])
  expect(settingAt('bundles.mutable')?.environment).toBe('MILLRACE_BUNDLES_MUTABLE')
})

const namesOf = (all: object | string[] = {}): string[] => (Array.isArray(all) ? all : Object.keys(all))

test('the composition mounts files that are there, and waits for services that it has', () => {
  const { services, volumes } = read('compose.yaml')
  for (const [name, service] of Object.entries<{ volumes?: string[]; depends_on?: object | string[] }>(services)) {
    for (const volume of service.volumes ?? []) {
      const [source] = volume.split(':')
      if (source!.startsWith('./')) expect([source, existsSync(join('docker', source!))]).toEqual([source, true])
      else if (!source!.startsWith('$')) expect(Object.keys(volumes), name).toContain(source)
    }
    for (const other of namesOf(service.depends_on)) expect(services, name).toHaveProperty(other)
  }
  expect(Object.keys(services)).toEqual(
    expect.arrayContaining(['kafka', 'registry', 'millrace', 'prometheus', 'grafana']),
  )
})

test('the composition gives a worker the time to stop in order, and asks it where it answers', () => {
  const config = parseConfig({
    ...read('compose.millrace.yaml'),
    brokers: ['kafka:19092'],
    registry: 'http://registry:8080',
  })
  const { stop_grace_period, healthcheck, ports } = read('compose.yaml').services.millrace
  expect(Number(/^(\d+)s$/.exec(stop_grace_period)![1])).toBeGreaterThanOrEqual(config.drainTimeoutMs / 1_000 + 10)
  expect(healthcheck.test.at(-1)).toContain(`:${config.http.port}/readyz`)
  expect(ports[0]).toMatch(new RegExp(`:${config.http.port}$`))
})
