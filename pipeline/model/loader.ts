import { MillraceError } from '../../stages/errors.js'
import type { MeasuredCost, Scorer, ScoringPlan, StageBudget } from '../../stages/ports.js'
import type { Bundle } from './bundle.js'
import type { GraphFile } from './chain.js'
import { checkBundle } from './check.js'
import { findingsOf, type GateReport, refusal, reportOf } from './gates.js'
import type { LocalModel } from './local-model.js'
import type { Manifest } from './manifest.js'
import { createScorer, type ScorerOptions } from './scorer.js'
import { type TrustedKey, verifySignature } from './signature.js'
import { budgetsOf, modelStages, stageFiles } from './stage-budget.js'
import { startStopwatch } from './stopwatch.js'
import type { BundleStore } from './store.js'
import { costOf, measureSizes, sampleRows } from './verify-latency.js'

/** A bundle that passed every gate, ready to score. Whoever loads it closes the scorer. */
export interface LoadedModel {
  /** name@version */
  readonly ref: string
  readonly digest: string
  readonly plan: ScoringPlan
  readonly manifest: Manifest
  /** what was found out when it was verified, in one line */
  readonly findings: string
  /** loaded and warm, in a worker thread of its own */
  readonly scorer: Scorer
  /** by batch size, as measured when it was verified */
  readonly costs?: readonly MeasuredCost[]
  /** what it asks of its stages */
  readonly budgets: readonly StageBudget[]
}

export type LoadStage = 'loading' | 'verifying'

export interface LoaderOptions {
  readonly store: Pick<BundleStore, 'find' | 'load'>
  readonly scorer?: ScorerOptions
  /**
   * Tries the bundle elsewhere (`verifyBundle`, in a process that it may kill) before this process touches its model; undefined: there is no
   * need. Without it, and then, the gates are tried here, on the scorer that is returned.
   */
  readonly verify?: (path: string, about: VerifyRequest) => Promise<GateReport | undefined>
  /** where there are any, a bundle that none of them signed is refused */
  readonly trustedKeys?: readonly TrustedKey[]
  /** What a bundle cost when it was verified before. */
  readonly knownCosts?: (digest: string) => Promise<readonly MeasuredCost[] | undefined>
  /** where there are deadlines: the model is made warm for batches of these sizes, and what they cost is measured where that is not known */
  readonly measure?: { readonly batchSizes: readonly number[]; readonly measureMs: number }
}

export interface VerifyRequest {
  /** name@version */
  readonly ref: string
  readonly digest: string
  /** others score with it, or have agreed to: what it says is not in question, only whether it can run here */
  readonly settled: boolean
}

export interface ModelLoader {
  /**
   * Rejects with the code of the gate that refused the bundle and one line that says why, and as `BundleStore.load` does. `onStage` is told
   * when the bundle is being read and when it is being tried.
   */
  load(ref: string, digest?: string, onStage?: (stage: LoadStage) => void, settled?: boolean): Promise<LoadedModel>
}

export function createModelLoader(options: LoaderOptions): ModelLoader {
  const { store, verify, trustedKeys = [] } = options
  const start = (bundle: Bundle) => createScorer(bundle, options.scorer)
  return {
    async load(ref, digest, onStage, settled = false) {
      onStage?.('loading')
      const found = await store.find(ref, digest)
      if (verify) onStage?.('verifying')
      const report = await verify?.(found.path, { ref: found.ref, digest: found.digest, settled })
      if (report) passed(found.digest, report)
      // The digest is that of every byte: what is loaded here is what was verified there.
      const bundle = await store.load(found.ref, found.digest)
      verifySignature(bundle, trustedKeys)
      if (!verify) onStage?.('verifying')
      const { scorer, findings } = report
        ? { scorer: await start(bundle), findings: findingsOf(report) }
        : await checkedScorer(bundle, start)
      const known = report?.costs ?? (await options.knownCosts?.(bundle.digest))
      const costs = options.measure ? await warmUp(bundle, scorer, options.measure, known) : known
      return Object.freeze({
        ref: bundle.ref,
        digest: bundle.digest,
        plan: bundle.plan,
        manifest: bundle.manifest,
        scorer,
        findings,
        budgets: budgetsOf(bundle.manifest.stages),
        ...(costs && { costs }),
      })
    },
  }
}

/** On the thread that will score: the first batch of a size is slower than those that follow. Returns what batches cost. */
async function warmUp(
  bundle: Bundle,
  scorer: Scorer,
  { batchSizes, measureMs }: NonNullable<LoaderOptions['measure']>,
  known: readonly MeasuredCost[] | undefined,
): Promise<readonly MeasuredCost[]> {
  const rowsOf = (count: number) => sampleRows(bundle, count)
  const model = timed(scorer)
  await measureSizes(model, rowsOf, batchSizes, 0, 1)
  return known ?? (await measureSizes(model, rowsOf, batchSizes, measureMs)).map(costOf)
}

/** A model in another thread, as one in this is measured. */
function timed(scorer: Scorer): LocalModel {
  const spentMs = new Map<GraphFile, number>()
  const score: Scorer['score'] = async (rows) => {
    const outputs = await scorer.score(rows)
    for (const stage of modelStages) {
      const ms = outputs.spent?.ms[stage]
      if (ms !== undefined) spentMs.set(stageFiles[stage], (spentMs.get(stageFiles[stage]) ?? 0) + ms)
    }
    return outputs
  }
  return { scorer: { ...scorer, score }, spentMs, startTimer: startStopwatch }
}

function passed(digest: string, report: GateReport): void {
  const refused = refusal(report)
  if (refused) throw refused
  if (report.digest !== digest)
    throw new MillraceError('digest-mismatch', `${report.ref} was changed while it was being verified; try again`)
}

/** Tries the gates on a scorer that, when they pass, is not closed but handed on: a model is loaded once. */
async function checkedScorer(
  bundle: Bundle,
  start: (bundle: Bundle) => Promise<Scorer>,
): Promise<Pick<LoadedModel, 'scorer' | 'findings'>> {
  let scorer: Scorer | undefined
  const gates = await checkBundle(bundle, async () => {
    scorer = await start(bundle)
    return { score: (rows) => scorer!.score(rows), close: async () => undefined }
  })
  const report = reportOf(bundle, gates)
  const refused = refusal(report)
  if (!refused && scorer) return { scorer, findings: findingsOf(report) }
  await scorer?.close()
  throw refused
}
