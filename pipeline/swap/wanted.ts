/** From what the logs name to the bundles that are to be loaded. */
import type { Fence } from '../messages.js'
import type { GenerationPlan } from './control-fold.js'
import type { Wanted } from './live-generation.js'

type Named = Pick<GenerationPlan, 'model' | 'digest' | 'mode' | 'candidate' | 'candidateDigest' | 'percent'>

/** What a plan names; where somebody has fenced it already, the very bundles that were used. */
export const wantedBy = (plan: Named, settled: boolean, fence?: Fence): Wanted => {
  const { mode, candidate } = plan
  const whole = { model: plan.model, digest: fence?.digest ?? plan.digest, settled }
  if (mode === 'ALL' || candidate === null) return whole
  const digest = fence?.candidateDigest ?? plan.candidateDigest
  return { ...whole, candidate: { mode, model: candidate, digest, percent: plan.percent } }
}

/** The digests, and where none is known the names. */
export const namesOf = (
  one: Partial<Pick<GenerationPlan, 'candidate' | 'candidateDigest'>> & Pick<GenerationPlan, 'model' | 'digest'>,
): string[] =>
  [one.digest ?? one.model, one.candidateDigest ?? one.candidate].filter((name) => typeof name === 'string')
