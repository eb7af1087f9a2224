import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { parse } from 'yaml'
import { frame } from '../../pipeline/avro/framing.js'
import { startMillrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { registerValues } from '../fixtures/digits.js'
import { committedOffset } from '../fixtures/kafka.js'
import { roundsPerMs, slowBytes, slowSchema, storeSlowModel } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const manifest = (name: string) => parse(readFileSync(`docker/kubernetes/base/${name}.yaml`, 'utf8'))
const pod = manifest('deployment').spec.template.spec
const [container] = pod.containers
/** What is left for the worker when `preStop` is over. */
const graceMs = 1_000 * (pod.terminationGracePeriodSeconds - Number(container.lifecycle.preStop.exec.command[1]))

test.each(['at-least-once', 'exactly-once'] as const)(
  'a stop under a backlog ends within the grace period of the pod, %s: what was in flight is done, the rest is for the next',
  async (delivery) => {
    const store = await temporaryDirectory()
    await storeSlowModel(store)
    const deployment = await createDeployment()
    const { name, topics, predictions } = deployment
    const schemaId = await registerValues(inject('registry'), topics.input, slowSchema)
    // A batch takes so long whatever its size: a worker with small batches is slow, the one after it is not.
    const value = frame(schemaId, slowBytes(Math.round(20 * (await roundsPerMs()))))
    for (const partition of [0, 1]) await deployment.send(partition, Array(10_000).fill(value))

    const settings = {
      delivery,
      drainTimeoutMs: manifest('config').drainTimeoutMs,
      // The deployment knows the schema of the digits too, which this model cannot read.
      'verification.inChild': false,
      'bundles.directory': store,
      'batch.maxRecords': 64,
      'credits.records': 128,
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`])
    const worker = startMillrace(['run', '--deployment', name, '--model', 'slow@1', ...flags])
    await predictions.until((all) => all.length > 0)
    worker.child.kill('SIGTERM')
    const { code } = (await Promise.race([worker.finished, sleep(graceMs, undefined, { ref: false })])) ?? {}
    expect(code).toBe(0)

    const committed = await Promise.all([0, 1].map(async (p) => (await committedOffset(name, topics.input, p)) ?? 0))
    const left = deployment.sent.map((count, partition) => count - committed[partition]!)
    expect(Math.max(...left)).toBeGreaterThan(0)
    await deployment.worker({ delivery, model: 'slow@1', bundles: { directory: store } })
    await deployment.answered()
    expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  },
)
