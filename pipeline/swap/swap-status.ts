/** What there is to see of the swap in one worker. */
import type { GenerationState } from './generation-states.js'
import type { LiveGeneration, Wanted } from './live-generation.js'

export interface ModelStatus {
  readonly generation: number | null
  readonly model: string
  readonly digest: string | null
  readonly state: GenerationState
}

export interface SwapStatus {
  readonly active: ModelStatus | undefined
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

export const statusOf = ({ generation, wanted, state }: LiveGeneration): ModelStatus => ({
  generation: generation?.number ?? null,
  model: generation?.model ?? wanted.model,
  digest: generation?.digest ?? wanted.digest,
  state,
})
