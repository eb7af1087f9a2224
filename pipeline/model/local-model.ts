import { MillraceError } from '../../stages/errors.js'
import type { Scorer } from '../../stages/ports.js'
import { BatchedModel } from './batched-model.js'
import type { Bundle } from './bundle.js'
import { type GraphFile, graphsOf, UnfitError } from './chain.js'
import { tensorsOf } from './outputs.js'
import { oneLine, SessionChain } from './session-chain.js'
import { type StartTimer, startStopwatch } from './stopwatch.js'

/** A bundle whose sessions live in this thread: for the verifier, which has a process of its own to lose. */
export interface LocalModel {
  readonly scorer: Scorer
  /** milliseconds that each graph has run so far, by file */
  readonly spentMs: ReadonlyMap<GraphFile, number>
  /** by which it is timed */
  readonly startTimer: StartTimer
}

/** Loads and warms up. `startTimer`: by default one that leaves out the time in which this process was not let run. Throws `model-load-failed` and `model-unfit`. Whoever loads closes the scorer. */
export async function loadLocally(
  bundle: Pick<Bundle, 'plan' | 'files' | 'manifest'>,
  intraOpThreads: number,
  startTimer = startStopwatch,
): Promise<LocalModel> {
  const { inputs } = bundle.plan
  const { outputs } = bundle.manifest
  let chain: SessionChain
  let model: BatchedModel
  try {
    chain = await SessionChain.load(graphsOf(bundle.files), inputs, tensorsOf(outputs), intraOpThreads, startTimer)
    model = new BatchedModel(chain, inputs, outputs)
    await model.warmUp()
  } catch (cause) {
    const code = cause instanceof UnfitError ? 'model-unfit' : 'model-load-failed'
    throw new MillraceError(code, oneLine(cause), { cause })
  }
  return {
    scorer: { score: ({ columns, count }) => model.score(columns, count), close: () => chain.release() },
    spentMs: chain.spentMs,
    startTimer,
  }
}
