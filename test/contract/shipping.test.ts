/** What Millrace is shipped with fits it, and the schemas of those who read it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { Service } from 'kubernetes-models/v1/Service'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig, topicNames } from '../../pipeline/config.js'
import { settingAt, settings } from '../../pipeline/config-settings.js'

const read = (path: string) => parse(readFileSync(join('docker', path), 'utf8'))
const defaults = parseConfig({ deployment: 'digits', brokers: ['kafka:9092'], registry: 'http://registry:8081' })

const models = { Deployment, NetworkPolicy, PodDisruptionBudget, Service, ScaledObject } as unknown as Record<
  string,
  new (
    manifest: object,
  ) => { validate(): void }
>
const folders = ['base', ...readdirSync('docker/kubernetes/overlays').map((name) => `overlays/${name}`)]

test.each(folders)('the manifests of kubernetes/%s are valid, and all that it names is there', (folder) => {
  const { kind, resources, configMapGenerator = [] } = read(`kubernetes/${folder}/kustomization.yaml`)
  expect(kind).toBe('Kustomization')
  for (const resource of resources as string[]) {
    if (!resource.endsWith('.yaml')) {
      expect(read(`kubernetes/${folder}/${resource}/kustomization.yaml`).kind).toBe('Kustomization')
      continue
    }
    const { apiVersion: _, kind, ...manifest } = read(`kubernetes/${folder}/${resource}`)
    new models[kind]!(manifest).validate()
  }
  for (const { files } of configMapGenerator) for (const file of files) read(`kubernetes/${folder}/${file}`)
})

test('a manifest that is wrong is found', () => {
  const manifest = read('kubernetes/base/deployment.yaml')
  manifest.spec.template.spec.containers[0].ports[0].containerPort = 'http'
  expect(() => new models.Deployment!(manifest).validate()).toThrow('containerPort')
})

const deployment = read('kubernetes/base/deployment.yaml')
const pod = deployment.spec.template.spec
const [container] = pod.containers
const config = parseConfig(read('kubernetes/base/config.yaml'))

test('a pod has the time to stop in order: preStop, drain, and leaving the group', () => {
  const preStop = Number(container.lifecycle.preStop.exec.command[1])
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(preStop + config.drainTimeoutMs / 1_000 + 10)
})

test('a pod runs as anybody, writes where it may, and is asked at the addresses that there are', () => {
  expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
  expect(pod.securityContext.runAsNonRoot).toBe(true)
  expect(container.ports[0].containerPort).toBe(config.http.port)
  expect([container.livenessProbe.httpGet.path, container.readinessProbe.httpGet.path]).toEqual(['/livez', '/readyz'])
  const mounted = container.volumeMounts.map(({ name }: { name: string }) => name)
  expect(pod.volumes.map(({ name }: { name: string }) => name)).toEqual(mounted)
})

test('what KEDA looks at is the lag of the deployment', () => {
  const [{ metadata }] = read('kubernetes/overlays/autoscaled/scaled-object.yaml').spec.triggers
  expect(metadata).toMatchObject({
    consumerGroup: config.kafka.groupId,
    topic: topicNames(config.deployment).input,
    bootstrapServers: config.brokers[0],
  })
})

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

test('the service stops in order too, and starts the program as the image does', () => {
  const unit = readFileSync('docker/systemd/millrace.service', 'utf8')
  const at = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1]
  expect(Number(at('TimeoutStopSec'))).toBeGreaterThanOrEqual(defaults.drainTimeoutMs / 1_000 + 10)
  expect(at('KillSignal')).toBe('SIGTERM')
  const image = readFileSync('docker/Dockerfile', 'utf8')
  const words = [/^ENTRYPOINT (.*)$/m, /^CMD (.*)$/m].flatMap((line) => JSON.parse(line.exec(image)![1]!) as string[])
  expect(at('ExecStart')).toBe(words.join(' ').replace('node dist', '/usr/bin/node /opt/millrace/dist'))
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
