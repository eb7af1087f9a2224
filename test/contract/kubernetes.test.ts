/** What kustomize builds of the manifests is what Kubernetes and KEDA take, and fits the worker that it starts. */
import { readdirSync, readFileSync } from 'node:fs'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject'
import { beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Config, parseConfig, topicNames } from '../../pipeline/config.js'
import { faultsOf, kubectl, kustomize, type Manifest } from '../fixtures/kubernetes.js'
import { shownCommands } from '../fixtures/shown-commands.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const root = 'docker/kubernetes'
const folders = ['base', ...readdirSync(`${root}/overlays`).map((name) => `overlays/${name}`)]
/** The oldest that the schemas at hand know, and the newest. */
const versions = ['1.25', '1.37']

const built = new Map<string, readonly Manifest[]>()
beforeAll(async () => {
  for (const folder of folders) built.set(folder, await kustomize(join(root, folder)))
})

const isOfKeda = ({ apiVersion }: Manifest) => apiVersion.startsWith('keda.sh/')
const find = (folder: string, kind: string): Manifest => built.get(folder)!.find((one) => one.kind === kind)!
const podOf = (folder: string) => find(folder, 'Deployment').spec.template
const containerOf = (folder: string) => podOf(folder).spec.containers[0]
const environmentOf = (folder: string): Record<string, string> =>
  Object.fromEntries(containerOf(folder).env.map((one: { name: string; value: string }) => [one.name, one.value]))

/** As the worker of a pod reads it: the file of the map that its deployment mounts. */
const configOf = (folder: string): Config => {
  const { name } = podOf(folder).spec.volumes.find((one: { configMap?: object }) => one.configMap).configMap
  const map = built.get(folder)!.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)!
  return parseConfig(parse(map.data['config.yaml']))
}

/** Names of KEDA's own schema; what stands under `metadata` of a trigger is the trigger's. */
const known = new Set(
  [
    ...readFileSync('node_modules/@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject.d.ts', 'utf8').matchAll(
      /"(\w+)"\??:/g,
    ),
  ].map(([, name]) => name!),
)
const namesIn = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.flatMap(namesIn)
    : typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([name, inside]) => [name, ...(name === 'metadata' ? [] : namesIn(inside))])
      : []
const faultsOfKeda = ({ apiVersion: _, kind: __, ...manifest }: Manifest): string[] => {
  new ScaledObject(manifest as never).validate()
  return namesIn(manifest.spec).filter((name) => !known.has(name))
}

test.each(folders)('kustomize builds %s, and every manifest of it is one by its schema', async (folder) => {
  const manifests = built.get(folder)!
  expect(manifests.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service']),
  )
  expect(
    await faultsOf(
      manifests.filter((one) => !isOfKeda(one)),
      versions,
    ),
  ).toEqual([])
  for (const one of manifests.filter(isOfKeda)) expect(faultsOfKeda(one)).toEqual([])
})

test('a value of a wrong type, a name that no schema knows, and a kind without a schema are found', async () => {
  const spoiled = structuredClone(find('base', 'Deployment')) as Manifest
  spoiled.spec.template.spec.containers[0].ports[0].containerPort = 'http'
  spoiled.spec.template.spec.terminationGraceSeconds = 30
  const said = await faultsOf([spoiled, { ...find('base', 'Service'), kind: 'Sirvice' }], versions)
  const both = [expect.stringMatching(/containerPort|terminationGraceSeconds/), expect.stringMatching('Sirvice')]
  expect(said).toEqual([...both, ...both])
  const scaled = find('overlays/autoscaled', 'ScaledObject')
  expect(faultsOfKeda({ ...scaled, spec: { ...scaled.spec, coolDownPeriod: 300 } })).toEqual(['coolDownPeriod'])
})

test('a kustomization that cannot be built is found', async () => {
  const folder = await temporaryDirectory()
  await cp(root, folder, { recursive: true })
  const path = join(folder, 'overlays/immutable/kustomization.yaml')
  await writeFile(path, (await readFile(path, 'utf8')).replaceAll('containers/0/env', 'containers/1/env'))
  await expect(kustomize(join(folder, 'overlays/immutable'))).rejects.toThrow('containers/1/env')
})

test.each(folders)('the pods of %s have the time to stop in order: preStop, drain, and leaving the group', (folder) => {
  const preStop = Number(containerOf(folder).lifecycle.preStop.exec.command[1])
  const graceSeconds = podOf(folder).spec.terminationGracePeriodSeconds
  expect(graceSeconds).toBeGreaterThanOrEqual(preStop + configOf(folder).drainTimeoutMs / 1_000 + 10)
})

test.each(folders)('a pod of %s runs as anybody, writes where it may, and is asked where it answers', (folder) => {
  const [pod, container, { http }] = [podOf(folder).spec, containerOf(folder), configOf(folder)]
  expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
  expect(pod.securityContext.runAsNonRoot).toBe(true)
  expect(container.ports).toEqual([{ name: 'http', containerPort: http.port }])
  for (const [probe, path] of Object.entries({ startup: '/livez', liveness: '/livez', readiness: '/readyz' }))
    expect(container[`${probe}Probe`].httpGet).toEqual({ path, port: 'http' })
  const mounts: { name: string; mountPath: string }[] = container.volumeMounts
  expect(pod.volumes.map(({ name }: { name: string }) => name)).toEqual(mounts.map(({ name }) => name))
  const image = folder === 'overlays/immutable' ? [] : ['/opt/millrace/models/bundles']
  const paths = mounts.map(({ mountPath }) => mountPath)
  expect(paths).toEqual(['/etc/millrace', '/run/millrace', ...image, '/tmp'])
})

test.each(folders)(
  'a pod of %s says what it needs and has to make do with, and a bundle can be tried within it',
  (folder) => {
    const { resources } = containerOf(folder)
    const mebibytes = (quantity: string) => Number.parseInt(quantity, 10) * (quantity.endsWith('Gi') ? 1_024 : 1)
    expect(resources).toEqual({
      requests: { cpu: expect.stringMatching(/^\d+m$/), memory: expect.stringMatching(/^\d+Mi$/) },
      // Of memory alone: a throttled heartbeat loses its partitions.
      limits: { memory: expect.stringMatching(/^\d+[MG]i$/) },
    })
    const { requests, limits } = resources
    expect(mebibytes(limits.memory)).toBeGreaterThanOrEqual(
      mebibytes(requests.memory) + configOf(folder).verification.memoryMb,
    )
  },
)

test.each(folders)(
  'service, budget and network of %s are about its pods, and let through what a worker needs',
  (folder) => {
    const { labels } = podOf(folder).metadata
    const [service, budget, network] = ['Service', 'PodDisruptionBudget', 'NetworkPolicy'].map((kind) =>
      find(folder, kind),
    )
    for (const selector of [
      service!.spec.selector,
      budget!.spec.selector.matchLabels,
      network!.spec.podSelector.matchLabels,
    ])
      expect(labels).toMatchObject(selector)
    expect(budget!.spec.maxUnavailable).toBe(1)
    expect(network!.spec.policyTypes).toEqual(['Ingress', 'Egress'])
    expect(network!.spec.ingress[0].from).toContainEqual({ podSelector: {} })
    const { brokers, registry, http } = configOf(folder)
    expect(service!.spec.ports[0]).toMatchObject({ port: http.port, targetPort: 'http' })
    expect(network!.spec.ingress[0].ports).toEqual([{ port: http.port }])
    const out = network!.spec.egress
      .flatMap(({ ports }: { ports: { port: number }[] }) => ports)
      .map(({ port }: { port: number }) => port)
    expect(out).toEqual(expect.arrayContaining([53, Number(brokers[0]!.split(':')[1]), Number(new URL(registry).port)]))
  },
)

test('KEDA looks at the lag of the deployment, and says alone how many pods there are', () => {
  const folder = 'overlays/autoscaled'
  const [scaled, deployment, config] = [find(folder, 'ScaledObject'), find(folder, 'Deployment'), configOf(folder)]
  expect(scaled.spec.scaleTargetRef.name).toBe(deployment.metadata.name)
  expect(deployment.spec).not.toHaveProperty('replicas')
  expect(scaled.spec.maxReplicaCount).toBeGreaterThan(scaled.spec.minReplicaCount)
  expect(scaled.spec.triggers).toHaveLength(1)
  expect(scaled.spec.triggers[0].type).toBe('kafka')
  expect(scaled.spec.triggers[0].metadata).toMatchObject({
    lagThreshold: expect.stringMatching(/^\d+$/),
    consumerGroup: config.kafka.groupId,
    topic: topicNames(config.deployment).input,
    bootstrapServers: config.brokers[0],
  })
})

test('the immutable image brings its bundle, and takes no other', () => {
  const folder = 'overlays/immutable'
  expect(environmentOf(folder)).toMatchObject({ MILLRACE_BUNDLES_MUTABLE: 'false', MILLRACE_MODEL: 'digits@1' })
  const [, image] = / --target immutable .*-t (\S+) \.$/m.exec(readFileSync('docker/Dockerfile', 'utf8'))!
  expect(containerOf(folder).image).toBe(image)
})

test('the secret that is made by hand has the token where the worker reads it', async () => {
  const command = shownCommands('docker/README.md').find((one) => one.command.startsWith('kubectl create'))!.command
  const args = command.replace('$(openssl rand -hex 24)', 'abc').replaceAll('"', '').split(' ').slice(1)
  const [secret] = await kubectl(...args, '--dry-run=client', '--output=yaml')
  const volume = podOf('base').spec.volumes.find((one: { secret?: object }) => one.secret)
  expect(secret!.metadata.name).toBe(volume.secret.secretName)
  const [folder, file] = configOf('base').http.tokenFile!.split(/\/(?=[^/]*$)/)
  expect(containerOf('base').volumeMounts).toContainEqual(
    expect.objectContaining({ name: volume.name, mountPath: folder }),
  )
  expect(secret!.data).toEqual({ [file!]: Buffer.from('abc').toString('base64') })
})
