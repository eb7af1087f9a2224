/** Commands to a deployment, and what a fault is. */
import { createLogWriter } from '../../pipeline/kafka/log-writer.js'
import type { Random } from './random.js'
import { until } from './until.js'
import type { Watcher } from './watcher.js'
import type { World } from './world.js'

export interface Scene {
  readonly world: World
  readonly watcher: Watcher
  readonly random: Random
}

/** Rejects when it did not happen: whoever waits for what it must do to a deployment sees whether it did. */
export type Fault = (scene: Scene) => Promise<void>

/** Resolves when predictions of a new generation were seen. */
export const command = async ({ world, watcher }: Scene, commands: readonly (object | string)[]): Promise<void> => {
  const before = watcher.generation
  const writer = createLogWriter(world.kafka, world.topics.control)
  const texts = commands.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
  await Promise.all(texts.map((text) => writer.append(world.deployment, Buffer.from(text))))
  await writer.close()
  await until('predictions of a new generation', () => watcher.generation > before)
}

export const switchTo = (scene: Scene, model: string): Promise<void> => command(scene, [{ action: 'SWITCH', model }])
