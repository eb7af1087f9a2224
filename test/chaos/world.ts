/** What a run happens in: a broker and a registry, its own unless others are given, a deployment, and worker processes that can be hurt. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
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
  /** of its REST interface */
  readonly url: string
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
  /** for files of the run */
  readonly directory: string
  /** the folder of bundles of all workers */
  readonly store: string
  /** those that are to run; one that died by itself is still here */
  readonly workers: readonly WorkerProcess[]
  startWorker(): WorkerProcess
  /** Sends the signal and, unless it only pauses, waits for the end of the process: rejects when that had come already, or is not the one meant. */
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
  /** the folder of bundles is a file system of this size: takes the right to mount one */
  readonly storeMegabytes?: number
  /** settings of the workers, `path=value` */
  readonly set?: readonly string[]
  /** a broker and a registry that others use too: they are left alone */
  readonly given?: { readonly brokers: string; readonly registry: string }
}

const commandLine = resolve('dist/pipeline/cli/main.js')
const mortal = pathToFileURL(resolve('test/fixtures/mortal-worker.mjs'))
const run = promisify(execFile)
const drainTimeoutMs = 5_000
/** that run at once */
const mostWorkers = 16
/** beyond the drain time, for a process that ends by itself: leaving the group, closing clients and threads */
const exitTimeMs = 10_000

export async function createWorld(options: WorldOptions): Promise<World> {
  const { deployment, delivery, partitions, model, storeMegabytes, set = [], given } = options
  const directory = await mkdtemp(join(tmpdir(), 'millrace-chaos-'))
  const cacheDirectory = resolve('node_modules/.cache/millrace/stack')
  const artifacts = await resolveArtifacts({ cacheDirectory, onProgress: () => undefined })
  const java = await findJava(undefined)
  const store = join(directory, 'bundles')
  await mkdir(store)
  if (storeMegabytes !== undefined) await run('mount', ['-t', 'tmpfs', '-o', `size=${storeMegabytes}m`, 'tmpfs', store])
  await cp('models/bundles', store, { recursive: true })
  const [port = 0, controllerPort = 0, registryPort = 0, ...workerPorts] = await availablePorts(
    new Array(3 + mostWorkers).fill(undefined),
  )
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
  const { brokers, registry } = given ?? { brokers: `${loopback}:${port}`, registry: registryUrl(registryPort) }
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
    directory,
    store,
    workers,
    kafka: createKafka({ brokers: [brokers], clientId: 'chaos' }),
    startWorker() {
      const id = `worker-${++count}`
      const port = workerPorts[count % mostWorkers]!
      const times = ['kafka.sessionTimeoutMs=6000', `drainTimeoutMs=${drainTimeoutMs}`]
      const settings = [...times, `delivery=${delivery}`, `bundles.directory=${store}`, `http.port=${port}`, ...set]
      const args = ['run', '--deployment', deployment, '--id', id, '--model', model]
      const child = spawn(
        process.execPath,
        [commandLine, ...args, ...settings.flatMap((one) => ['--set', one]), '--log-level', 'error'],
        {
          env: {
            PATH: process.env.PATH,
            MILLRACE_BROKERS: brokers,
            MILLRACE_REGISTRY: registry,
            // Inference threads take it too, though not the flags of their parent.
            NODE_OPTIONS: `--import ${mortal}`,
          },
          stdio: ['ignore', 'ignore', 'inherit'],
        },
      )
      const url = `http://${loopback}:${port}`
      const worker = { id, url, child, exited: once(child, 'exit'), paused: false }
      workers.push(worker)
      return worker
    },
    async signalWorker(worker, signal) {
      const { id, child, exited } = worker
      const before = endOf(child)
      if (before !== undefined) throw new Error(`${id} had ended before ${signal}: ${before}`)
      const at = performance.now()
      child.kill(signal)
      worker.paused = signal === 'SIGSTOP'
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') return
      workers.splice(workers.indexOf(worker), 1)
      await exited
      const expected = signal === 'SIGKILL' ? signal : 0
      if (endOf(child) !== expected) throw new Error(`${id} ended with ${endOf(child)} after ${signal}`)
      const ms = performance.now() - at
      if (ms > drainTimeoutMs + exitTimeMs) throw new Error(`${id} took ${Math.round(ms)} ms to end after ${signal}`)
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
      for (const { child } of workers) child.kill('SIGKILL')
      await Promise.all(workers.map(({ exited }) => exited))
      await Promise.all([broker?.stop(), registryProcess?.stop()])
      if (storeMegabytes !== undefined) await run('umount', ['--lazy', store])
      await rm(directory, { recursive: true, force: true })
    },
  }
  if (!given) await Promise.all([world.startBroker(), world.startRegistry()])
  await createTopics(world.kafka, planTopics(topics, { partitions }))
  return world
}

/** How a process ended: its exit code, or the signal; undefined while it runs. */
const endOf = ({ exitCode, signalCode }: ChildProcess) => exitCode ?? signalCode ?? undefined
