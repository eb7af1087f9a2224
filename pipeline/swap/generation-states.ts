/**
 * The life of a bundle in one worker, from the command that names it to the end of its thread:
 *
 *   loading → verifying → ready → active → draining → released
 *      └──────────┴─────────┴→ failed
 *
 * `ready → released` is a candidate that was aborted or overtaken. After the lifecycle of a servable in TensorFlow Serving.
 */
export type GenerationState = 'loading' | 'verifying' | 'ready' | 'active' | 'draining' | 'released' | 'failed'

export const transitions = {
  loading: ['verifying', 'failed'],
  verifying: ['ready', 'failed'],
  ready: ['active', 'released', 'failed'],
  active: ['draining'],
  draining: ['released'],
  released: [],
  failed: [],
} as const satisfies Record<GenerationState, readonly GenerationState[]>

export const mayBecome = (from: GenerationState, to: GenerationState): boolean =>
  (transitions[from] as readonly GenerationState[]).includes(to)

/** `to`; throws `RangeError` for a step that the table does not have: a defect of the caller. */
export function become(from: GenerationState, to: GenerationState): GenerationState {
  if (!mayBecome(from, to)) throw new RangeError(`a generation that is ${from} cannot become ${to}`)
  return to
}
