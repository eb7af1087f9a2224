import { MillraceError } from '../../stages/errors.js'
import type { Outputs, Rows } from '../../stages/ports.js'
import type { InferenceHost } from './inference-host.js'
import { unpackLabels } from './packed-labels.js'
import { Shuttle } from './shuttle.js'
import type { FromWorker, InferenceJob } from './worker-messages.js'

export type Answer =
  | { readonly kind: 'scored'; readonly id: number; readonly outputs: Outputs }
  | Extract<FromWorker, { kind: 'failed' }>

export interface ThreadOptions {
  /** what the model is called in messages: the bundle's reference */
  readonly name: string
  readonly loadTimeoutMs: number
  readonly onAnswer: (answer: Answer) => void
  /** The thread ended without having been asked to. Called at most once, and only after the model was loaded. */
  readonly onDeath: (reason: string) => void
}

/** A model in a worker thread, for as long as it is there. Calls are answered in the order in which they are sent. */
export interface InferenceThread {
  /** Sends copies of the columns; the rows stay the caller's. */
  send(id: number, rows: Rows): void
  /** Whether the thread keeps the process alive. */
  hold(held: boolean): void
  /** Lets the thread answer what was sent and free its sessions. Resolves when the model is out of it. */
  close(): Promise<void>
}

/**
 * Puts a model into a thread. Resolves when it is loaded and warm; rejects with `model-load-failed` or `model-unfit`, and then the thread
 * leaves. A thread that a model has left in order is offered to `keep`; if that declines, it leaves too.
 */
export function startInferenceThread(
  host: InferenceHost,
  job: InferenceJob,
  options: ThreadOptions,
  keep: (host: InferenceHost) => boolean,
): Promise<InferenceThread> {
  let state: 'loading' | 'loaded' | 'closing' = 'loading'
  let left: () => void = () => undefined
  const leaving = new Promise<void>((resolve) => {
    left = resolve
  })

  const shuttle = new Shuttle(job.inputs)
  const thread: InferenceThread = {
    send(id, rows) {
      const { columns, buffers } = shuttle.load(rows)
      host.post({ kind: 'score', id, columns, count: rows.count }, buffers)
    },
    hold: host.hold,
    close() {
      if (state !== 'closing') host.post({ kind: 'unload' })
      state = 'closing'
      host.hold(true)
      return leaving
    },
  }

  return new Promise((resolve, reject) => {
    let unusable: Extract<FromWorker, { kind: 'unusable' }> | undefined
    const fail = (code: 'model-load-failed' | 'model-unfit', detail: string) => {
      clearTimeout(timer)
      reject(new MillraceError(code, `${options.name}: ${detail}`))
    }
    const timer = setTimeout(() => {
      fail('model-load-failed', `not loaded within ${options.loadTimeoutMs} ms`)
      // A thread that is busy in ONNX Runtime cannot be terminated: it is told to leave when it comes back, and holds nobody up till then.
      host.post({ kind: 'close' })
      state = 'closing'
      host.hold(false)
    }, options.loadTimeoutMs)

    host.occupant = {
      onMessage(message) {
        switch (message.kind) {
          case 'loaded':
            if (state !== 'loading') return
            clearTimeout(timer)
            state = 'loaded'
            return resolve(thread)
          case 'unusable':
            unusable = message
            return host.post({ kind: 'close' })
          case 'unloaded':
            if (keep(host)) left()
            else host.post({ kind: 'close' })
            return
          case 'scored': {
            const { id, outputs, labels, used } = message
            shuttle.unload(used)
            return options.onAnswer({
              kind: 'scored',
              id,
              outputs: labels ? { ...outputs, labels: unpackLabels(labels) } : outputs,
            })
          }
          default:
            shuttle.unload(message.used)
            options.onAnswer(message)
        }
      },
      onExit(why) {
        left()
        if (unusable) fail(unusable.code, unusable.detail)
        else if (state === 'loading') fail('model-load-failed', `its worker thread ended: ${why}`)
        else if (state === 'loaded') options.onDeath(why)
      },
    }
    host.served++
    const graphs = job.graphs.map(({ file, bytes }) => ({ file, bytes: new Uint8Array(bytes) }))
    host.post(
      { kind: 'load', job: { ...job, graphs } },
      graphs.map((graph) => graph.bytes.buffer),
    )
  })
}
