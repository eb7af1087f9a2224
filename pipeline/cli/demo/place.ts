/** Where the demo runs: the Kafka and the registry that are configured, or a stack of its own; and its topics there. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Kafka } from 'kafkajs'
import { type Stack, startStack } from '../../../docker/stack.js'
import { MillraceError } from '../../../stages/errors.js'
import { settles } from '../../backoff.js'
import type { Config } from '../../config.js'
import { createTopics, withAdmin } from '../../kafka/admin.js'
import { installRequestTimer } from '../../kafka/request-timer.js'
import { planTopics } from '../../kafka/topic-plan.js'
import { type Context, demoDirectory, stackCacheDirectory } from '../context.js'

export interface Place {
  readonly config: Config
  readonly kafka: Kafka
  readonly partitions: number
  /** for logs */
  readonly directory: string
  /** Rejects when the stack ends by itself. */
  readonly failed: Promise<never>
  /** Takes everything away that the demo put there, unless it is to be kept, and stops the stack where it is our own. */
  leave(): Promise<void>
}

export interface PlaceOptions {
  /** A context in which these settings are stronger than all others: the deployment is always one of the demo's own. */
  readonly contextWith: (values: Readonly<Record<string, string>>) => Context
  readonly partitions: number
  /** leave the topics on a broker that is not ours */
  readonly keep: boolean
}

const never = new Promise<never>(() => undefined)

/** Errors: those of the stack; `broker-unreachable`, `not-authorized` and what else a broker may say; `usage`. */
export const findPlace = async ({ contextWith, partitions, keep }: PlaceOptions): Promise<Place> => {
  const { values } = await contextWith({}).readSettings()
  return values.brokers === undefined
    ? ownPlace(contextWith({ deployment: 'digits' }), partitions)
    : foreignPlace(contextWith({ deployment: `demo-${randomUUID().slice(0, 8)}` }), partitions, keep)
}

const ownPlace = async (context: Context, partitions: number): Promise<Place> => {
  const { output, environment, signal } = context
  // The stack asks its broker by a client of its own.
  installRequestTimer()
  const stack = await startStack({
    dataDirectory: demoDirectory,
    cacheDirectory: stackCacheDirectory(environment),
    fresh: true,
    onProgress: (line) => output.note(output.colors.dim(line)),
    signal,
  })
  try {
    const { config } = await context.loadConfig({ brokers: stack.brokers.split(','), registry: stack.registry })
    const kafka = await context.kafka(config)
    await createTopics(kafka, planTopics(config.topics, { partitions }))
    const failed = endOf(stack)
    return { config, kafka, partitions, directory: demoDirectory, failed, leave: () => stack.stop() }
  } catch (error) {
    await stack.stop()
    throw error
  }
}

const endOf = (stack: Stack): Promise<never> => {
  const failed = stack.exited.then(({ name, code, lastLine, logFile }): never => {
    throw new MillraceError('stack-failed', `${name} ended with ${code}: ${lastLine} (${logFile})`)
  })
  failed.catch(() => undefined)
  return failed
}

const foreignPlace = async (context: Context, partitions: number, keep: boolean): Promise<Place> => {
  const { config } = await context.loadConfig()
  const kafka = await context.kafka(config)
  const plan = planTopics(config.topics, { partitions })
  const topics = plan.map(({ topic }) => topic)
  const results = await createTopics(kafka, plan)
  const present = results.find(({ result }) => result !== 'created')
  if (present)
    throw new MillraceError('usage', `the demo makes topics of its own, and ${present.topic} exists: name none for it`)
  const directory = await mkdtemp(join(tmpdir(), 'millrace-demo-'))
  const leave = async () => {
    await rm(directory, { recursive: true, force: true })
    if (keep) return
    const cleaning = withAdmin(kafka, async (admin) => {
      await admin.deleteTopics({ topics })
      await admin.deleteGroups([config.kafka.groupId])
    })
    await settles(cleaning, 10_000)
  }
  return { config, kafka, partitions, directory, failed: never, leave }
}
