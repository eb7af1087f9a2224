/** What the scorer and its worker thread say to each other: one message per call each way, buffers transferred. */
import type { Outputs, TensorData, TensorPlan } from '../../stages/ports.js'
import type { OutputBinding } from './outputs.js'
import type { PackedLabels } from './packed-labels.js'
import type { GraphBytes } from './session-chain.js'

/** What a thread is to hold, and how it is used. */
export interface InferenceJob {
  readonly graphs: readonly GraphBytes[]
  readonly inputs: readonly TensorPlan[]
  readonly outputs: OutputBinding
  readonly intraOpThreads: number
}

export type ToWorker =
  | { readonly kind: 'load'; readonly job: InferenceJob }
  | { readonly kind: 'score'; readonly id: number; readonly columns: readonly TensorData[]; readonly count: number }
  /** Finish what was asked before and free the sessions. */
  | { readonly kind: 'unload' }
  /** The same, and leave. */
  | { readonly kind: 'close' }

export type FromWorker =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'unloaded' }
  | { readonly kind: 'unusable'; readonly code: 'model-load-failed' | 'model-unfit'; readonly detail: string }
  | Scored
  | Failed

/** The memory of the call's columns goes back, to be used again. */
interface Answered {
  readonly id: number
  readonly used: readonly ArrayBuffer[]
}

interface Scored extends Answered {
  readonly kind: 'scored'
  /** without the labels, which are apart */
  readonly outputs: Outputs
  readonly labels: PackedLabels | null
}

interface Failed extends Answered {
  readonly kind: 'failed'
  /** the model failed on these rows, and another batch may go well */
  readonly rowsAtFault: boolean
  readonly reason: string
}
