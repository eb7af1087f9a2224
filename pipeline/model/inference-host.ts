import { Worker } from 'node:worker_threads'
import type { FromWorker, ToWorker } from './worker-messages.js'

/** Who hears what a thread says: the model that is in it. */
export interface Occupant {
  onMessage(message: FromWorker): void
  /** The thread is gone. */
  onExit(why: string): void
}

/** A worker thread for one model after another. */
export interface InferenceHost {
  post(message: ToWorker, transfer?: ArrayBuffer[]): void
  /** Whether the thread keeps the process alive. */
  hold(held: boolean): void
  /** undefined: nobody is in it */
  occupant: Occupant | undefined
  /** models that it has had */
  served: number
  readonly exited: Promise<void>
}

/** Starts a thread. It leaves when it is told to `close`, or dies; nobody terminates it: in the middle of a run that would abort the process. */
export function startInferenceHost(entry: URL): InferenceHost {
  const worker = new Worker(entry, { name: 'inference', workerData: 'inference', execArgv: [] })
  let reason: string | undefined
  let gone: () => void = () => undefined
  const host: InferenceHost = {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    hold(held) {
      if (held) worker.ref()
      else worker.unref()
    },
    occupant: undefined,
    served: 0,
    exited: new Promise<void>((resolve) => {
      gone = resolve
    }),
  }
  worker.on('message', (message: FromWorker) => host.occupant?.onMessage(message))
  worker.on('error', (error) => {
    reason = error instanceof Error ? error.message : String(error)
  })
  worker.once('exit', (code) => {
    gone()
    host.occupant?.onExit(reason ?? `it exited with code ${code}`)
  })
  return host
}
