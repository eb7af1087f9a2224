import { MillraceError } from '../../stages/errors.js'
import type { Scorer } from '../../stages/ports.js'
import { BatchedModel } from './batched-model.js'
import type { Bundle } from './bundle.js'
import { graphsOf, UnfitError } from './chain.js'
import { tensorsOf } from './outputs.js'
import { oneLine, SessionChain } from './session-chain.js'

/** A bundle whose sessions live in this thread: for the verifier, which has a process of its own to lose. */
export interface LocalModel {
  readonly scorer: Scorer
  /** milliseconds that each graph has run so far, by file */
  readonly spentMs: ReadonlyMap<string, number>
}

/** Loads and warms up. Throws `model-load-failed` and `model-unfit`. Whoever loads closes the scorer. */
export async function loadLocally(
  bundle: Pick<Bundle, 'plan' | 'files' | 'manifest'>,
  intraOpThreads: number,
): Promise<LocalModel> {
  const { inputs } = bundle.plan
  const { outputs } = bundle.manifest
  let chain: SessionChain
  let model: BatchedModel
  try {
    chain = await SessionChain.load(graphsOf(bundle.files), inputs, tensorsOf(outputs), intraOpThreads)
    model = new BatchedModel(chain, inputs, outputs)
    await model.warmUp()
  } catch (cause) {
    const code = cause instanceof UnfitError ? 'model-unfit' : 'model-load-failed'
    throw new MillraceError(code, oneLine(cause), { cause })
  }
  return {
    scorer: { score: ({ columns, count }) => model.score(columns, count), close: () => chain.release() },
    spentMs: chain.spentMs,
  }
}
