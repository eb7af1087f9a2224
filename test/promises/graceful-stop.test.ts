/** What stops a worker gives it the time that it needs: the pod of Kubernetes, and the service of systemd. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { frame } from '../../pipeline/avro/framing.js'
import { type Running, startMillrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { registerValues } from '../fixtures/digits.js'
import { committedOffset } from '../fixtures/kafka.js'
import { roundsPerMs, slowBytes, slowSchema, storeSlowModel } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'
import { readUnit, startService } from '../fixtures/systemd.js'

const manifest = (name: string) => parse(readFileSync(`docker/kubernetes/base/${name}.yaml`, 'utf8'))
const pod = manifest('deployment').spec.template.spec
const preStopSeconds = Number(pod.containers[0].lifecycle.preStop.exec.command[1])
const unit = await readUnit('docker/systemd/millrace.service')

/** Who starts a worker and stops it. */
interface Keeper {
  readonly signal: NodeJS.Signals
  /** from the signal until it is killed */
  readonly graceSeconds: number
  /** with this configuration beside what the keeper brings itself, and the slow model in its store */
  start(config: Readonly<Record<string, unknown>>): Promise<Running>
}

const kubernetes: Keeper = {
  signal: 'SIGTERM',
  graceSeconds: pod.terminationGracePeriodSeconds - preStopSeconds,
  async start(config) {
    const folder = await temporaryDirectory()
    await storeSlowModel(folder)
    const { drainTimeoutMs } = manifest('config')
    const path = join(folder, 'config.yaml')
    await writeFile(path, stringify({ ...config, drainTimeoutMs, bundles: { directory: folder } }))
    return startMillrace(['run', '--config', path])
  },
}

const systemd: Keeper = {
  signal: unit.setting('KillSignal') as NodeJS.Signals,
  graceSeconds: Number(unit.setting('TimeoutStopSec')),
  start: (config) =>
    startService(unit, {
      config: stringify(config),
      environment: { MILLRACE_BROKERS: inject('brokers'), MILLRACE_REGISTRY: inject('registry') },
      prepare: (state) => storeSlowModel(join(state, 'bundles')),
    }),
}

const cases = [
  ['a pod', 'at-least-once', kubernetes],
  ['a pod', 'exactly-once', kubernetes],
  ['a service of systemd', 'at-least-once', systemd],
] as const

test.each(cases)(
  'a stop under a backlog ends within the grace period of %s, %s: what was in flight is done, the rest is for the next',
  async (_, delivery, { signal, graceSeconds, start }) => {
    const deployment = await createDeployment()
    const { name, topics, predictions } = deployment
    const schemaId = await registerValues(inject('registry'), topics.input, slowSchema)
    // A batch takes so long whatever its size: a worker with small batches is slow, the one after it is not.
    const value = frame(schemaId, slowBytes(Math.round(20 * (await roundsPerMs()))))
    for (const partition of [0, 1]) await deployment.send(partition, Array(10_000).fill(value))

    const worker = await start({
      deployment: name,
      model: 'slow@1',
      delivery,
      // The deployment knows the schema of the digits too, which this model cannot read.
      verification: { inChild: false },
      batch: { maxRecords: 64 },
      credits: { records: 128 },
    })
    await predictions.until((all) => all.length > 0)
    worker.child.kill(signal)
    const ended = await Promise.race([worker.finished, sleep(1_000 * graceSeconds, undefined, { ref: false })])
    expect(ended).toMatchObject({ code: 0 })

    const committed = await Promise.all([0, 1].map(async (p) => (await committedOffset(name, topics.input, p)) ?? 0))
    const left = deployment.sent.map((count, partition) => count - committed[partition]!)
    expect(Math.max(...left)).toBeGreaterThan(0)
    const store = await temporaryDirectory()
    await storeSlowModel(store)
    await deployment.worker({ delivery, model: 'slow@1', bundles: { directory: store } })
    await deployment.answered()
    expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  },
)
