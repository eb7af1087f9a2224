/** A worker: one process of a deployment, from its configuration to the end of its last record. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { Subject } from 'rxjs'
import { MillraceError } from '../stages/errors.js'
import { createMessageCodec } from './avro/message-codec.js'
import { createPredictionEncoder } from './avro/prediction-encoder.js'
import { createRecordDecoder } from './avro/record-decoder.js'
import { createRegistry } from './avro/registry.js'
import type { Config } from './config.js'
import { createKafkaLog, createWritableKafkaLog } from './deployment-logs.js'
import { createEventLog } from './event-log.js'
import { describeTopics } from './kafka/admin.js'
import { createKafka } from './kafka/client.js'
import { partitionEdges } from './kafka/log.js'
import { createPublisher } from './kafka/publisher.js'
import { createKafkaSource } from './kafka/source.js'
import { kafkaOptionsOf } from './kafka-options.js'
import { createLiveConfig, describeChanges, type LiveConfig } from './live-config.js'
import type { Logger } from './logging.js'
import type { ModelEvent } from './messages.js'
import { createModelLoader } from './model/loader.js'
import { openStore } from './model/store.js'
import { createPartStates, type Part, type PartState, type PartStates } from './part-states.js'
import { createPipe, uncommittedRecords } from './pipe.js'
import { observers, type PipeObserver } from './pipe-observer.js'
import { createPipeStats, type PipeStats } from './pipe-stats.js'
import { createShadowReport, type ShadowStats } from './shadow-report.js'
import type { FenceEntry } from './swap/fences.js'
import { createSwap, type SwapStatus } from './swap/swap.js'

export interface WorkerOptions {
  readonly config: Config
  /** the same configuration where some of it may change while the worker runs */
  readonly live?: LiveConfig
  readonly logger: Logger
  /** unique in the group; made from host and process by default */
  readonly id?: string
  /** sees the pipe as the worker's own counters do */
  readonly observer?: PipeObserver
}

export interface WorkerStatus {
  readonly worker: string
  readonly deployment: string
  /** whether it has joined the group and waits for nothing */
  readonly ready: boolean
  /** milliseconds since the epoch */
  readonly startedAt: number
  readonly parts: readonly PartState[]
  readonly model: SwapStatus
  readonly pipe: PipeStats
  /** of the shadow under way, or the last one */
  readonly shadow: ShadowStats | undefined
  /** inference threads that died and were started again */
  readonly threadDeaths: number
}

export interface Worker {
  readonly id: string
  readonly config: Config
  readonly status: WorkerStatus
  /** what this worker says on `D.events`, as it says it */
  readonly events: Subject<ModelEvent>
  readonly states: PartStates
  /** Resolves when it has joined the group; rejects when it cannot. */
  readonly running: Promise<void>
  /** Resolves when it was stopped; rejects with what ended it. */
  readonly finished: Promise<void>
  /** Finishes what is in flight, at most `drainTimeoutMs`, leaves the group and frees everything. Idempotent. */
  stop(): Promise<void>
}

/** Starts at once and returns; `running` tells when it has come up. Whoever starts it stops it. */
export function startWorker(options: WorkerOptions): Worker {
  const { config, logger, observer, live = createLiveConfig(config), id = workerId() } = options
  const startedAt = Date.now()
  const states = createPartStates()
  const stats = createPipeStats()
  /** asked to stop: nothing new is begun */
  const stopping = new AbortController()
  /** nothing is in flight any more: what is waited for is given up */
  const ending = new AbortController()
  let draining = false
  let threadDeaths = 0
  const events = new Subject<ModelEvent>()
  const log = logger.child({ worker: id })
  const closers: (() => Promise<unknown>)[] = []
  let modelStatus: () => SwapStatus = () => ({
    active: undefined,
    previous: undefined,
    generations: [],
    waiting: 'starting',
  })
  let shadowStats: () => ShadowStats | undefined = () => undefined
  let joined: () => void = () => undefined
  const running = new Promise<void>((resolve) => {
    joined = resolve
  })

  states.changes.subscribe(({ part, state, detail }) => {
    if (state === 'waiting') log.warn({ part, detail }, `${part} waits`)
    else log.debug({ part, detail }, `${part} ${state}`)
  })
  const onState = (part: Part) => (state: string, detail: string) => {
    states.set(part, state, detail)
    if (part === 'source' && state === 'running') joined()
  }

  const run = async () => {
    const { topics } = config
    const clientOptions = await kafkaOptionsOf(config)
    const onLog = (level: 'warn' | 'info' | 'debug', message: string, extra: object) =>
      log[level === 'warn' ? 'debug' : 'trace'](extra, message)
    const kafka = createKafka({ ...clientOptions, clientId: id, onLog })
    const registry = createRegistry({
      url: config.registry,
      auth: config.registryAuth,
      ca: config.registryCaFile === undefined ? undefined : await readPem(config.registryCaFile),
      onState: onState('registry'),
      signal: ending.signal,
    })
    closers.push(async () => registry.close())
    await checkPartitions(kafka, config).catch((error) => {
      // A broker that is away, or a topic that is missing, is waited for by whoever needs it.
      if (!(error instanceof MillraceError) || !error.retryable) throw error
    })
    const codec = createMessageCodec(registry)
    const { predictionSchemaId } = await codec.prepare(topics)

    const eventLog = createEventLog({
      kafka,
      topic: topics.events,
      deployment: config.deployment,
      worker: id,
      encode: codec.encodeEvent,
      onState: onState('events'),
    })
    eventLog.events.subscribe((event) => {
      logEvent(log, event)
      events.next(event)
    })
    closers.push(() => eventLog.close())
    const changing = live.changes.subscribe((changes) => {
      log.level = live.current.logLevel
      eventLog.emit({ type: 'configured', reason: describeChanges(changes) })
    })
    closers.push(async () => changing.unsubscribe())

    const logOptions = { kafka, signal: ending.signal }
    const fenceLog = createWritableKafkaLog<FenceEntry>({
      ...logOptions,
      topic: topics.fences,
      onState: onState('fences'),
      decode: async ({ key, value }) => ({ key: String(key), fence: value && (await codec.decodeFence(value)) }),
      encode: ({ key, fence }) => ({ key, value: fence && codec.encodeFence(fence) }),
    })
    closers.push(() => fenceLog.close())
    const swap = createSwap({
      deployment: config.deployment,
      worker: id,
      initial: config.model,
      control: createKafkaLog({
        ...logOptions,
        topic: topics.control,
        onState: onState('control'),
        decode: ({ value }) => {
          if (!value) throw new MillraceError('command-invalid', 'it has no value')
          return codec.decodeCommand(value)
        },
      }),
      fences: fenceLog,
      loader: createModelLoader({
        store: openStore(config.bundles.directory),
        scorer: {
          ...config.inference,
          onDeath: (model, reason) => {
            threadDeaths++
            log.error({ model, reason }, 'an inference thread died and is started again')
          },
        },
      }),
      keepPrevious: config.bundles.keepPrevious,
      inputEdges: (partitions) =>
        partitionEdges(
          kafka,
          topics.input,
          partitions.map(({ partition }) => partition),
          ending.signal,
        ),
      uncommittedRecords: uncommittedRecords(config),
      onEvent: eventLog.emit,
    })
    modelStatus = () => swap.status
    closers.push(() => swap.close())
    swap.changes.subscribe(() => {
      const { active, waiting } = swap.status
      states.set('model', waiting === undefined ? 'running' : 'waiting', waiting ?? `${active?.model}`)
    })

    const publisher = createPublisher({ kafka, topics, onState: onState('publisher') })
    closers.push(() => publisher.close())
    await Promise.all([
      publisher.connect().then(() => states.set('publisher', 'running', topics.predictions)),
      swap.start(),
    ])
    if (stopping.signal.aborted) return

    const source = createKafkaSource({
      kafka: createKafka({ ...clientOptions, clientId: id, onLog }),
      groupId: config.kafka.groupId,
      topic: topics.input,
      sessionTimeoutMs: config.kafka.sessionTimeoutMs,
      drainTimeoutMs: config.drainTimeoutMs,
      fetch: { maxBytesPerPartition: config.kafka.maxFetchBytesPerPartition, maxWaitMs: config.kafka.maxFetchWaitMs },
      beforeRecords: (partitions, tenure) => swap.takeOver(partitions, tenure),
      onState: onState('source'),
    })
    const shadowPublisher = createPublisher({ kafka, topics: { shadow: topics.shadow }, onState: onState('shadow') })
    closers.push(() => shadowPublisher.close())
    const shadows = createShadowReport(shadowPublisher, codec.encodeShadow)
    shadowStats = () => shadows.stats
    const pipe = createPipe({
      shadows,
      config: () => live.current,
      swap,
      decoder: createRecordDecoder({ registry, echo: config.echo }),
      encoder: createPredictionEncoder({ schemaId: predictionSchemaId }),
      publisher,
      observer: observer ? observers([stats.observer, observer]) : stats.observer,
    })
    eventLog.emit({ type: 'joined', reason: `reads ${topics.input} as ${config.kafka.groupId}` })
    const leave = () => void source.stop()
    draining = true
    stopping.signal.addEventListener('abort', leave, { once: true })
    try {
      await new Promise<void>((resolve, reject) => {
        source.open(pipe).subscribe({ complete: resolve, error: reject })
        if (stopping.signal.aborted) leave()
      })
    } finally {
      eventLog.emit({ type: 'left' })
    }
  }

  const finished = run()
    .catch((error) => {
      if (!stopping.signal.aborted) throw error
    })
    .finally(async () => {
      ending.abort()
      // Last opened, first closed; one that fails does not keep the others.
      for (const close of closers.toReversed()) await close().catch((error) => log.debug({ err: error }, 'closing'))
      stopping.abort()
      events.complete()
    })
  finished.catch(() => undefined)

  return {
    id,
    config,
    events,
    states,
    running: Promise.race([running, finished.then(() => undefined)]),
    finished,
    get status() {
      const all = states.all
      const model = modelStatus()
      const ready =
        all.some(({ part, state }) => part === 'source' && state === 'running') &&
        // A shadow that cannot be written is no reason to stop sending records.
        !all.some(({ part, state }) => state === 'waiting' && part !== 'shadow')
      const pipe = stats.snapshot()
      const { deployment } = config
      const shadow = shadowStats()
      return { worker: id, deployment, ready, startedAt, parts: all, model, pipe, shadow, threadDeaths }
    },
    async stop() {
      stopping.abort()
      if (!draining) ending.abort()
      await finished.catch(() => undefined)
    },
  }
}

const workerId = () => `${hostname().slice(0, 40)}-${process.pid}-${randomUUID().slice(0, 8)}`

const readPem = (file: string) =>
  readFile(file, 'utf8').catch((cause: Error) => {
    throw new MillraceError('file-unreadable', `${file}: ${cause.message}`, { cause })
  })

/** Predictions go to the partition number of their input: with fewer partitions there is no place for some of them. */
async function checkPartitions(kafka: ReturnType<typeof createKafka>, { topics }: Config): Promise<void> {
  const outputs = [topics.predictions, topics.deadLetter, topics.late]
  const found = await describeTopics(kafka, [topics.input, ...outputs])
  const wanted = found.get(topics.input)?.partitions ?? 0
  for (const topic of outputs) {
    const partitions = found.get(topic)?.partitions
    if (partitions !== undefined && partitions < wanted)
      throw new MillraceError('partitions-differ', `${topic} has ${partitions}, ${topics.input} has ${wanted}`)
  }
}

const quiet: ReadonlySet<string> = new Set(['loading', 'verifying', 'draining', 'released', 'fenced'])

function logEvent(log: Logger, { type, worker: _, at: __, ...event }: ModelEvent): void {
  const said = Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null))
  log[type === 'failed' ? 'error' : quiet.has(type) ? 'debug' : 'info'](said, type)
}
