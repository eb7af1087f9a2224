/** The gate of the fallback of a deadline: it has to do for what comes after a switch, as it did for what was before. */
import { MillraceError } from '../stages/errors.js'
import { readBundle } from './model/bundle.js'
import type { Gate, GateReport } from './model/gates.js'
import { failedGate, refusal } from './model/gates.js'
import type { OutputBinding } from './model/outputs.js'

/** The two bundles. */
export interface FallbackJob {
  /** path of the one that is to score */
  readonly model: string
  readonly fallback: { readonly ref: string; readonly path: string }
  /** Puts the fallback through the gates of a bundle of its own; left out where that was just done. */
  readonly verify?: (path: string) => Promise<GateReport>
}

/** Never rejects. */
export async function fallbackGate({ model, fallback, verify }: FallbackJob): Promise<Gate> {
  try {
    const [main, other] = [await readBundle(model), await readBundle(fallback.path)]
    const different = difference(main.manifest.outputs, other.manifest.outputs)
    if (different) throw new MillraceError('fallback-unfit', `${fallback.ref} ${different} ${main.ref}`)
    // What is to score has just been through the others.
    const refused = verify && main.digest !== other.digest && refusal(await verify(fallback.path))
    if (refused) throw new MillraceError('fallback-unfit', refused.detail)
    return { gate: 'fallback', ok: true, detail: `${fallback.ref} is fit` }
  } catch (error) {
    return failedGate('fallback', error)
  }
}

/** What a consumer would miss who reads the answers of the one as those of the other, before the name of that one. */
function difference(main: OutputBinding, other: OutputBinding): string | undefined {
  if (hasLabels(main) !== hasLabels(other)) return `gives ${hasLabels(other) ? 'labels' : 'no labels'}, unlike`
  if (main.labels && other.labels && main.labels.join('\n') !== other.labels.join('\n'))
    return 'has other classes, or in another order, than'
  if (main.scores !== undefined && other.scores === undefined) return 'gives no scores, unlike'
  const missing = Object.keys(main.values).find((name) => !(name in other.values))
  return missing === undefined ? undefined : `gives no value ${JSON.stringify(missing)}, unlike`
}

const hasLabels = ({ label, labels }: OutputBinding) => label !== undefined || labels !== undefined
