/** A worker with what there is to see and to change of it: metrics, REST and the page. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { filter, firstValueFrom } from 'rxjs'
import { MillraceError } from '../stages/errors.js'
import type { DeadlineRule } from '../stages/ports.js'
import { createMessageCodec } from './avro/message-codec.js'
import { createRegistry } from './avro/registry.js'
import { showsSamples } from './config-http.js'
import type { ConfigSource } from './config-load.js'
import { openControlSender } from './control-sender.js'
import { withheld } from './deadline-stats.js'
import { createKafkaLog } from './deployment-logs.js'
import { createFlowHistory } from './flow-history.js'
import { createGroupView } from './group-view.js'
import { createGroupWatch, type GroupWatch } from './group-watch.js'
import type { HttpServer, HttpServerOptions } from './http/server.js'
import { createKafka } from './kafka/client.js'
import { groupStatus } from './kafka/group-status.js'
import { readTopic } from './kafka/topic-reader.js'
import { kafkaOptionsOf } from './kafka-options.js'
import { createLateWatch } from './late-watch.js'
import { createLetterWatch } from './letter-watch.js'
import { createLiveConfig, keepLevel } from './live-config.js'
import { createMetrics, type PartitionLag } from './metrics.js'
import { observers } from './pipe-observer.js'
import { pushModel } from './push-model.js'
import { registryOptionsOf } from './registry-options.js'
import { createSamples } from './samples.js'
import { served } from './served-worker.js'
import { startWorker, type Worker, type WorkerOptions } from './start.js'
import { trustedKeysOf } from './trusted-keys.js'

export interface ServeOptions extends Omit<WorkerOptions, 'live'> {
  /** where the values of the configuration came from */
  readonly sources?: ReadonlyMap<string, ConfigSource>
  /** folder with the built page; the one of this package by default */
  readonly page?: string
}

export interface Served {
  readonly worker: Worker
  /** undefined where `http.enabled` is false */
  readonly url: string | undefined
  /** Stops the worker, then the server: what is in flight can be watched to its end. Idempotent. */
  stop(): Promise<void>
}

/** Starts the worker and serves it; rejects, with nothing left behind, when it cannot listen. */
export async function startServedWorker({ sources, page = builtPage(), ...options }: ServeOptions): Promise<Served> {
  const { config, logger } = options
  const live = createLiveConfig(config, sources)
  if (!config.http.enabled) {
    const worker = startWorker({ ...options, live })
    return { worker, url: undefined, stop: () => worker.stop() }
  }
  const metrics = createMetrics(config.deadline && (() => live.current.deadline as DeadlineRule))
  const samples = createSamples({ truth: config.http.truth, shown: showsSamples(config.http) })
  const isFirm = config.deadline?.class === 'firm'
  const flow = createFlowHistory({
    stats: () => worker.status.pipe,
    accuracy: () => samples.labels.accuracy,
    late: isFirm ? () => lateOf(worker) : undefined,
  })
  const seen = [metrics.observer, samples.observer, flow.observer, ...(options.observer ? [options.observer] : [])]
  const worker = startWorker({ ...options, live, observer: observers(seen) })
  const ending = new AbortController()
  try {
    const kafka = createKafka({ ...(await kafkaOptionsOf(config)), clientId: `${worker.id}-http` })
    const registry = createRegistry({ ...(await registryOptionsOf(config)), signal: ending.signal })
    const codec = createMessageCodec(registry)
    const { topics } = config
    const decode = async ({ value }: { value: Buffer | null }) => codec.decodeEvent(value ?? Buffer.alloc(0))
    const group = createGroupView(
      createKafkaLog({ kafka, topic: topics.events, signal: ending.signal, decode, onState: () => undefined }),
    )
    const watch = createGroupWatch(() => groupStatus(kafka, config.kafka.groupId, topics.input))
    const letters = createLetterWatch({
      read: (options) => readTopic(kafka, topics.deadLetter, options),
      shown: samples.shown,
    })
    const late = isFirm
      ? createLateWatch({ read: (options) => readTopic(kafka, topics.late, options), decode: codec.decodeLate })
      : undefined
    const control = await openControlSender(kafka, config, `rest@${worker.id}`)
    const trustedKeys = await trustedKeysOf(config.bundles)
    const push = (path: string) => pushModel({ kafka, topic: topics.models, path, waits: false })
    metrics.watch(worker, () => lagOf(worker, watch))
    await modelIsLoading(worker)
    const log = logger.child({ worker: worker.id })
    keepLevel(log, live)
    const server = await listen(sources?.get('http.port'), {
      settings: config.http,
      logger: log,
      page,
      worker: served({ worker, live, metrics, samples, letters, late, flow, group, watch, control, trustedKeys, push }),
    })
    let stopped: Promise<void> | undefined
    const stop = async () => {
      await worker.stop()
      await server.close()
      ending.abort()
      flow.close()
      group.close()
      registry.close()
      await control.close()
    }
    return {
      worker,
      url: server.url,
      stop() {
        stopped ??= stop()
        return stopped
      },
    }
  } catch (error) {
    ending.abort()
    flow.close()
    await worker.stop()
    throw error
  }
}

/** However long it takes to come to that: the page shows what is waited for. */
const longestWaitForModelMs = 300

/** A thread or a process loads the model: this one is free, and the server can be loaded without making the first record wait. */
const modelIsLoading = ({ events }: Worker) =>
  Promise.race([
    firstValueFrom(events.pipe(filter(({ type }) => type === 'loading')), { defaultValue: undefined }),
    delay(longestWaitForModelMs),
  ])

/** Of several workers on one machine the first has the usual port, where nobody said which. */
const listen = async (source: ConfigSource | undefined, options: HttpServerOptions): Promise<HttpServer> => {
  const { startHttpServer } = await import('./http/server.js')
  try {
    return await startHttpServer(options)
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'port-taken' || source !== 'default') throw error
    return startHttpServer({ ...options, settings: { ...options.settings, port: 0 } })
  }
}

const lateOf = ({ status: { deadline } }: Worker): number => (deadline ? withheld(deadline) : 0)

const lagOf = async ({ id }: Worker, watch: GroupWatch): Promise<PartitionLag[]> => {
  const { members, partitions } = await watch.status()
  const own = new Set(members.find(({ clientId }) => clientId === id)?.partitions)
  return partitions.filter(({ partition }) => own.has(partition))
}

/** Beside the sources it lies in what was built; built, one folder above. */
const builtPage = (): string => {
  const [beside, above] = ['../dist/dashboard', '../dashboard'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  )
  return existsSync(beside!) ? beside! : above!
}
