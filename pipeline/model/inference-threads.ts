import { compiledModule } from './compiled-module.js'
import { type InferenceHost, startInferenceHost } from './inference-host.js'
import { type InferenceThread, startInferenceThread, type ThreadOptions } from './inference-thread.js'
import type { InferenceJob } from './worker-messages.js'

/**
 * Threads for the models of one worker. A thread costs some thirty milliseconds of processor time before it can load anything, which at a
 * switch is taken from the stream; so one that a model has left waits for the next.
 */
export interface InferenceThreads {
  /** Resolves when the model is loaded and warm; rejects with `model-load-failed` or `model-unfit`. */
  start(job: InferenceJob, options: ThreadOptions): Promise<InferenceThread>
  /** Ends the threads that wait. Those with a model end when that is closed. Idempotent. */
  close(): Promise<void>
}

export interface InferenceThreadsOptions {
  /** how many may wait; 1 by default */
  readonly spare?: number
  /** models after which a thread leaves, with all that ONNX Runtime has not given back in it; 16 by default */
  readonly longestService?: number
  /** module of the worker thread; another one only to see what happens when it dies */
  readonly entry?: URL
}

/** The compiled worker. */
export const workerEntry = (): URL => compiledModule('inference-worker.js')

export function createInferenceThreads(options: InferenceThreadsOptions = {}): InferenceThreads {
  const { spare = 1, longestService = 16, entry = workerEntry() } = options
  const waiting = new Set<InferenceHost>()
  let closed = false

  const take = (): InferenceHost => {
    const [host] = waiting
    if (!host) return startInferenceHost(entry)
    waiting.delete(host)
    host.hold(true)
    return host
  }
  /** False: it is not needed any more. */
  const keep = (host: InferenceHost): boolean => {
    if (closed || waiting.size >= spare || host.served >= longestService) return false
    waiting.add(host)
    host.hold(false)
    host.occupant = { onMessage: () => undefined, onExit: () => void waiting.delete(host) }
    return true
  }

  return {
    start: (job, threadOptions) => startInferenceThread(take(), job, threadOptions, keep),
    async close() {
      closed = true
      const ending = [...waiting]
      for (const host of ending) {
        host.hold(true)
        host.post({ kind: 'close' })
      }
      await Promise.all(ending.map(({ exited }) => exited))
    },
  }
}
