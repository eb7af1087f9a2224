import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../stages/errors.js'
import type { Rows } from '../../stages/ports.js'
import { compiledModule } from './compiled-module.js'
import { buffersOf, detachedCopy } from './tensors.js'
import type { FromWorker, InferenceJob, ToWorker } from './worker-messages.js'

export type Answer = Extract<FromWorker, { kind: 'scored' | 'failed' }>

export interface ThreadOptions {
  /** what the thread is called in debuggers and in messages: the bundle's reference */
  readonly name: string
  readonly loadTimeoutMs: number
  readonly entry: URL
  readonly onAnswer: (answer: Answer) => void
  /** The thread ended without having been asked to. Called at most once, and only after it was loaded. */
  readonly onDeath: (reason: string) => void
}

/** One life of a worker thread with a loaded model. Calls are answered in the order in which they are sent. */
export interface InferenceThread {
  /** Sends copies of the columns; the rows stay the caller's. */
  send(id: number, rows: Rows): void
  /** Whether the thread keeps the process alive. */
  hold(held: boolean): void
  /** Lets the thread answer what was sent, free its sessions and end. Resolves when it has. */
  close(): Promise<void>
}

/** The compiled worker. */
export const workerEntry = (): URL => compiledModule('inference-worker.js')

/** Resolves when the model is loaded and warm; rejects with `model-load-failed` or `model-unfit`. */
export function startInferenceThread(job: InferenceJob, options: ThreadOptions): Promise<InferenceThread> {
  const graphs = job.graphs.map(({ file, bytes }) => ({ file, bytes: new Uint8Array(bytes) }))
  const worker = new Worker(options.entry, {
    name: `inference ${options.name}`,
    workerData: { ...job, graphs } satisfies InferenceJob,
    transferList: graphs.map((graph) => graph.bytes.buffer),
    execArgv: [],
  })
  const post = (message: ToWorker, transfer: ArrayBuffer[] = []) => worker.postMessage(message, transfer)
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  let state: 'loading' | 'loaded' | 'closing' = 'loading'

  const thread: InferenceThread = {
    send(id, rows) {
      const columns = rows.columns.map((column, index) => detachedCopy(job.inputs[index]?.type ?? 'float32', column))
      post({ kind: 'score', id, columns, count: rows.count }, buffersOf(columns))
    },
    hold(held) {
      if (held) worker.ref()
      else worker.unref()
    },
    close() {
      if (state !== 'closing') post({ kind: 'close' })
      state = 'closing'
      worker.ref()
      return exited
    },
  }

  return new Promise((resolve, reject) => {
    let reason: string | undefined
    let unusable: Extract<FromWorker, { kind: 'unusable' }> | undefined
    const fail = (code: 'model-load-failed' | 'model-unfit', detail: string) => {
      clearTimeout(timer)
      reject(new MillraceError(code, `${options.name}: ${detail}`))
    }
    const timer = setTimeout(() => {
      fail('model-load-failed', `not loaded within ${options.loadTimeoutMs} ms`)
      // A thread that is busy in ONNX Runtime cannot be terminated: it is told to leave when it comes back, and holds nobody up till then.
      post({ kind: 'close' })
      state = 'closing'
      worker.unref()
    }, options.loadTimeoutMs)

    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'loaded') {
        if (state !== 'loading') return
        clearTimeout(timer)
        state = 'loaded'
        resolve(thread)
      } else if (message.kind === 'unusable') {
        unusable = message
      } else options.onAnswer(message)
    })
    worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error)
    })
    worker.once('exit', (code) => {
      const why = reason ?? `it exited with code ${code}`
      if (unusable) fail(unusable.code, unusable.detail)
      else if (state === 'loading') fail('model-load-failed', `its worker thread ended: ${why}`)
      else if (state === 'loaded') options.onDeath(why)
    })
  })
}
