/**
 * What is done to a running deployment. Each does its harm once, sees that it did harm, waits until it is over, and leaves as many workers as
 * there were.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { kafkaAnswers } from '../../docker/kafka.js'
import { registryAnswers } from '../../docker/registry.js'
import { groupMembers } from '../../pipeline/kafka/group-status.js'
import { diskFull } from './disk-full.js'
import { command, type Fault, switchTo } from './switch.js'
import { until } from './until.js'
import type { WorkerProcess, World } from './world.js'

const models = ['digits@1', 'digits@2', 'digits@3']

const replaced =
  (signal: NodeJS.Signals): Fault =>
  async ({ world, random }) => {
    const worker = random.pick(world.workers)
    // A program that has only just been started has no order yet in which it could end.
    if (signal === 'SIGTERM') await member(world, worker, true)
    await world.signalWorker(worker, signal)
    world.startWorker()
  }

/** Until the group has the worker as a member, or has given it up. */
export const member = ({ kafka, deployment }: World, { id }: WorkerProcess, is: boolean): Promise<void> =>
  until(`${id} ${is ? 'in' : 'out of'} the group`, async () => {
    const members = await groupMembers(kafka, deployment).catch(() => undefined)
    return members?.includes(id) === is
  })

const threadDeaths = async ({ url }: WorkerProcess): Promise<number> => {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^millrace_inference_thread_deaths_total\S* (\d+)/m.exec(metrics)?.[1] ?? Number.NaN)
}

export const faults = {
  kill: replaced('SIGKILL'),
  terminate: replaced('SIGTERM'),
  /** long enough for the group to give its partitions to others; then it goes on as if nothing had happened */
  zombie: async ({ world, random }) => {
    const worker = random.pick(world.workers)
    await member(world, worker, true)
    await world.signalWorker(worker, 'SIGSTOP')
    await Promise.all([sleep(15_000), member(world, worker, false)])
    await world.signalWorker(worker, 'SIGCONT')
  },
  'broker-kill': async ({ world }) => {
    await world.killBroker()
    await world.startBroker()
  },
  'broker-pause': async ({ world, random }) => {
    world.signalBroker('SIGSTOP')
    const answered = kafkaAnswers(world.brokers)
    await sleep(random.between(2_500, 8_000))
    world.signalBroker('SIGCONT')
    if (await answered) throw new Error('the broker answered while it was stopped')
  },
  'registry-down': async ({ world }) => {
    await world.stopRegistry()
    // A worker that comes now has to wait for it, and one that is there has all it needs.
    const worker = world.startWorker()
    await sleep(2_000)
    if (await registryAnswers(world.registry)) throw new Error('the registry answered while it was down')
    await world.startRegistry()
    await member(world, worker, true)
    const leaving = world.workers[0]!
    await member(world, leaving, true)
    await world.signalWorker(leaving, 'SIGTERM')
  },
  'control-flood': async (scene) => {
    const id = randomUUID()
    const junk = Array.from({ length: 3_000 }, (_, i) =>
      i % 3 === 0 ? `{"action":"SWITCH","model":"nothing@${i}"` : { action: 'SWITCH', model: 'digits@2', id },
    )
    await command(scene, [...junk, { action: 'SWITCH', model: scene.random.pick(models) }, { action: 'LAUNCH' }])
  },
  'rebalance-storm': async ({ world }) => {
    const worker = world.startWorker()
    await Promise.all([sleep(3_000), member(world, worker, true)])
    await world.signalWorker(worker, 'SIGTERM')
  },
  switch: (scene) => switchTo(scene, scene.random.pick(models)),
  'disk-full': diskFull,
  'inference-crash': async ({ world, random }) => {
    const worker = random.pick(world.workers)
    await member(world, worker, true)
    const before = await threadDeaths(worker)
    worker.child.kill('SIGUSR2')
    await until(`an inference thread of ${worker.id} dead`, async () => (await threadDeaths(worker)) > before)
  },
  'slow-consumer': ({ watcher }) => watcher.pause(3_000),
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof faults
