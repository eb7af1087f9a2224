/** What there is to see of the swap in one worker. */
import type { ModelEvent } from '../messages.js'
import type { GenerationState } from './generation-states.js'
import type { LiveGeneration, Wanted } from './live-generation.js'

/** What is said of it on `D.events`. */
export type SwapEvent = Partial<ModelEvent> & Pick<ModelEvent, 'type'>

export interface ModelStatus {
  readonly generation: number | null
  readonly model: string
  readonly digest: string | null
  readonly state: GenerationState
}

/** The second model of a canary or a shadow. */
export interface Beside {
  readonly mode: 'CANARY' | 'SHADOW'
  readonly model: string
  readonly digest: string
  /** of the keys, in a canary */
  readonly percent: number | null
}

export interface SwapStatus {
  readonly active: ModelStatus | undefined
  /** what scores beside it */
  readonly beside: Beside | undefined
  readonly previous: { readonly model: string; readonly digest: string } | undefined
  /** everything that is loaded or about to be, active first */
  readonly generations: readonly ModelStatus[]
  /** what is waited for, in one line */
  readonly waiting: string | undefined
}

/** What there is to say of it beside its name. */
export const describe = ({ wanted: { candidate }, state, findings }: LiveGeneration): string | null => {
  const known = state === 'ready' ? findings : undefined
  return [candidate && describeCandidate(candidate), known].filter(Boolean).join('; ') || null
}

const describeCandidate = ({ mode, model, percent }: NonNullable<Wanted['candidate']>): string =>
  mode === 'CANARY' ? `canary: ${model} scores ${percent} % of the keys` : `shadow: ${model} scores too, unpublished`

export const besideOf = ({ generation, wanted: { candidate } }: LiveGeneration): Beside | undefined => {
  const second = generation?.canary?.generation ?? generation?.shadow
  if (!second || !candidate) return undefined
  return { mode: candidate.mode, model: second.model, digest: second.digest, percent: candidate.percent }
}

export const statusOf = ({ generation, wanted, state }: LiveGeneration): ModelStatus => ({
  generation: generation?.number ?? null,
  model: generation?.model ?? wanted.model,
  digest: generation?.digest ?? wanted.digest,
  state,
})
