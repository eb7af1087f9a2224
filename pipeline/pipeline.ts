/** A worker inside another program: started, watched and stopped by it. */
import { type Observable, Subject } from 'rxjs'
import { MillraceError } from '../stages/errors.js'
import { type Config, type ConfigInput, parseConfig } from './config.js'
import { createLogger } from './logging.js'
import type { ModelEvent } from './messages.js'
import type { PipeObserver } from './pipe-observer.js'
import type { Served } from './serve.js'
import type { WorkerStatus } from './start.js'

/** The settings of a worker, as in its configuration file. REST and the page are off, unless `http: { enabled: true }` asks for them. */
export interface PipelineOptions extends ConfigInput {
  /** unique in the group; made from host and process by default */
  readonly id?: string
  /** Called with each line of the log, JSON as pino writes it; nothing is written anywhere without it. */
  readonly onLog?: (line: string) => void
  /** sees batches at every stage of the pipe, as the worker's own metrics do; called on the hot path */
  readonly observer?: PipeObserver
}

export interface Pipeline {
  /** parsed and checked, with every default */
  readonly config: Config
  /** What this worker says on `D.events`, as it says it; completes when it has stopped. */
  readonly events: Observable<ModelEvent>
  /** Resolves when the worker has joined its group; rejects with what keeps it from that, and nothing is left behind then. Once. */
  start(): Promise<void>
  /** Undefined before `start`. */
  status(): WorkerStatus | undefined
  /** where REST and the page are, if they were asked for, once started */
  readonly url: string | undefined
  /** Resolves when the worker was stopped; rejects with what ended it. */
  readonly finished: Promise<void>
  /** Finishes what is in flight, at most `drainTimeoutMs`, leaves the group and frees everything. Idempotent. */
  stop(): Promise<void>
}

/**
 * A worker from a typed configuration. Throws `config-invalid`, naming every wrong setting. Nothing happens before `start`.
 *
 * @example
 * ```ts
 * const pipeline = createPipeline({
 *   deployment: 'digits',
 *   brokers: ['localhost:9092'],
 *   registry: 'http://localhost:8081',
 *   model: 'digits@1',
 * })
 * pipeline.events.subscribe(({ type, model }) => console.log(type, model))
 * await pipeline.start()
 * process.once('SIGTERM', () => void pipeline.stop())
 * await pipeline.finished
 * ```
 */
export const createPipeline = ({ id, onLog, observer, ...settings }: PipelineOptions): Pipeline => {
  const config = parseConfig({ ...settings, http: { enabled: false, ...settings.http } })
  const stream = { write: (line: string) => onLog?.(line.trimEnd()) }
  const logger = createLogger({ level: onLog ? config.logLevel : 'silent', pretty: false, colors: false, stream })
  const events = new Subject<ModelEvent>()
  let served: Promise<Served> | undefined
  let running: Served | undefined
  let stopped = false
  let finish: (outcome: Promise<void>) => void
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  finished.catch(() => undefined)

  const open = async (): Promise<Served> => {
    // A program that only produces or reads has no use for ONNX Runtime and a server.
    const { startServedWorker } = await import('./serve.js')
    running = await startServedWorker({ config, logger, id, observer, listener: events })
    return running
  }

  return {
    config,
    events: events.asObservable(),
    finished,
    get url() {
      return running?.url
    },
    status: () => running?.worker.status,
    async start() {
      if (served || stopped) throw new MillraceError('internal', 'a pipeline is started once: create another one')
      served = open()
      const { worker } = await served.catch((error) => {
        events.complete()
        finish(Promise.reject(error))
        throw error
      })
      finish(worker.finished)
      await worker.running.catch(async (error) => {
        await running?.stop()
        throw error
      })
    },
    async stop() {
      stopped = true
      await (await served?.catch(() => undefined))?.stop()
      events.complete()
      finish(Promise.resolve())
    },
  }
}
