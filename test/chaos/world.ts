/** What a run happens in: a broker and a registry of its own, a deployment, and worker processes that can be hurt. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import type { GuardedProcess } from '../../docker/guardian.js'
import { findJava } from '../../docker/java.js'
import { type KafkaOptions, kafkaAnswers, startKafka } from '../../docker/kafka.js'
import { availablePorts, loopback } from '../../docker/ports.js'
import { registryAnswers, registryUrl, startRegistry } from '../../docker/registry.js'
import { resolveArtifacts } from '../../docker/resolve.js'
import { type TopicNames, topicNames } from '../../pipeline/config.js'
import { createTopics } from '../../pipeline/kafka/admin.js'
import { createKafka } from '../../pipeline/kafka/client.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'

export type Delivery = 'at-least-once' | 'exactly-once'

export interface WorkerProcess {
  readonly id: string
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  /** stopped by SIGSTOP and not continued yet */
  paused: boolean
}

export interface World {
  readonly deployment: string
  readonly brokers: string
  readonly registry: string
  readonly topics: TopicNames
  readonly kafka: Kafka
  readonly partitions: number
  /** those that are to run; one that died by itself is still here */
  readonly workers: readonly WorkerProcess[]
  startWorker(): WorkerProcess
  /** Sends the signal and, unless it only pauses, waits for the end of the process. */
  signalWorker(worker: WorkerProcess, signal: NodeJS.Signals): Promise<void>
  signalBroker(signal: NodeJS.Signals): void
  killBroker(): Promise<void>
  startBroker(): Promise<void>
  stopRegistry(): Promise<void>
  startRegistry(): Promise<void>
  close(): Promise<void>
}

export interface WorldOptions {
  readonly deployment: string
  readonly delivery: Delivery
  readonly partitions: number
  readonly model: string
  /** settings of the workers, `path=value` */
  readonly set?: readonly string[]
}

const commandLine = resolve('dist/pipeline/cli/main.js')

export async function createWorld({ deployment, delivery, partitions, model, set = [] }: WorldOptions): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-chaos-'))
  const cacheDirectory = resolve('node_modules/.cache/millrace/stack')
  const artifacts = await resolveArtifacts({ cacheDirectory, onProgress: () => undefined })
  const java = await findJava(undefined)
  const [port = 0, controllerPort = 0, registryPort = 0] = await availablePorts([undefined, undefined, undefined])
  const common = { java, dataDirectory: directory }
  const brokerOptions: KafkaOptions = {
    ...common,
    application: artifacts.kafka,
    port,
    controllerPort,
    logFile: join(directory, 'kafka.log'),
  }
  const registryOptions = {
    ...common,
    application: artifacts.registry,
    port: registryPort,
    logFile: join(directory, 'registry.log'),
  }
  const brokers = `${loopback}:${port}`
  const registry = registryUrl(registryPort)
  let broker: GuardedProcess | undefined
  let registryProcess: GuardedProcess | undefined
  const until = async (answers: () => Promise<boolean>) => {
    while (!(await answers())) await sleep(50)
  }

  const workers: WorkerProcess[] = []
  let count = 0
  const topics = topicNames(deployment)

  const world: World = {
    deployment,
    brokers,
    registry,
    topics,
    partitions,
    workers,
    kafka: createKafka({ brokers: [brokers], clientId: 'chaos' }),
    startWorker() {
      const id = `worker-${++count}`
      const settings = ['kafka.sessionTimeoutMs=6000', 'drainTimeoutMs=5000', `delivery=${delivery}`, ...set]
      const args = ['run', '--deployment', deployment, '--id', id, '--model', model]
      const child = spawn(
        process.execPath,
        [commandLine, ...args, ...settings.flatMap((one) => ['--set', one]), '--log-level', 'error'],
        {
          env: { PATH: process.env.PATH, MILLRACE_BROKERS: brokers, MILLRACE_REGISTRY: registry },
          stdio: ['ignore', 'ignore', 'inherit'],
        },
      )
      const worker = { id, child, exited: once(child, 'exit'), paused: false }
      workers.push(worker)
      return worker
    },
    async signalWorker(worker, signal) {
      worker.child.kill(signal)
      worker.paused = signal === 'SIGSTOP'
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') return
      workers.splice(workers.indexOf(worker), 1)
      await worker.exited
    },
    signalBroker: (signal) => void process.kill(broker!.identity.pid, signal),
    async killBroker() {
      world.signalBroker('SIGKILL')
      await broker!.exited
    },
    async startBroker() {
      broker = await startKafka(brokerOptions, new AbortController().signal)
      await until(() => kafkaAnswers(brokers))
    },
    async stopRegistry() {
      await registryProcess?.stop()
    },
    async startRegistry() {
      registryProcess = await startRegistry(registryOptions)
      await until(() => registryAnswers(registry))
    },
    async close() {
      for (const worker of [...workers]) await world.signalWorker(worker, 'SIGKILL')
      await Promise.all([broker?.stop(), registryProcess?.stop()])
      await rm(directory, { recursive: true, force: true })
    },
  }
  await Promise.all([world.startBroker(), world.startRegistry()])
  await createTopics(world.kafka, planTopics(topics, { partitions }))
  return world
}
