/** What is done to a running deployment. Each does its harm once, waits until it is over, and leaves as many workers as there were. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogWriter } from '../../pipeline/kafka/log-writer.js'
import type { Random } from './random.js'
import type { Watcher } from './watcher.js'
import type { World } from './world.js'

export interface Scene {
  readonly world: World
  readonly watcher: Watcher
  readonly random: Random
}

export type Fault = (scene: Scene) => Promise<void>

const models = ['digits@1', 'digits@2', 'digits@3']

const replaced =
  (signal: NodeJS.Signals): Fault =>
  async ({ world, random }) => {
    await world.signalWorker(random.pick(world.workers), signal)
    world.startWorker()
  }

const command = async ({ world }: Scene, commands: readonly (object | string)[]): Promise<void> => {
  const writer = createLogWriter(world.kafka, world.topics.control)
  const texts = commands.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
  await Promise.all(texts.map((text) => writer.append(world.deployment, Buffer.from(text))))
  await writer.close()
}

const switchModel: Fault = (scene) => command(scene, [{ action: 'SWITCH', model: scene.random.pick(models) }])

export const faults = {
  kill: replaced('SIGKILL'),
  terminate: replaced('SIGTERM'),
  /** long enough for the group to give its partitions to others; then it goes on as if nothing had happened */
  zombie: async ({ world, random }) => {
    const worker = random.pick(world.workers)
    await world.signalWorker(worker, 'SIGSTOP')
    await sleep(15_000)
    await world.signalWorker(worker, 'SIGCONT')
  },
  'broker-kill': async ({ world }) => {
    await world.killBroker()
    await world.startBroker()
  },
  'broker-pause': async ({ world, random }) => {
    world.signalBroker('SIGSTOP')
    await sleep(random.between(2_000, 8_000))
    world.signalBroker('SIGCONT')
  },
  'registry-down': async ({ world }) => {
    await world.stopRegistry()
    // A worker that comes now has to wait for it, and one that is there has all it needs.
    world.startWorker()
    await sleep(2_000)
    await world.startRegistry()
    await world.signalWorker(world.workers[0]!, 'SIGTERM')
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
    await sleep(3_000)
    await world.signalWorker(worker, 'SIGTERM')
  },
  switch: switchModel,
  'slow-consumer': ({ watcher }) => watcher.pause(3_000),
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof faults
