import { performance } from 'node:perf_hooks'
import type { MeasuredCost } from '../../stages/ports.js'
import { type Bundle, readBundle } from './bundle.js'
import { answerGolden, verifyDigests } from './check.js'
import { fitGraphs } from './fit-graphs.js'
import { type GateListener, type GateRun, startGates } from './gates.js'
import { type LocalModel, loadLocally } from './local-model.js'
import { verifySignature } from './signature.js'
import { budgetsOf } from './stage-budget.js'
import { deadlineFinding } from './verify-deadline.js'
import {
  costOf,
  latencyFinding,
  type Measured,
  measure,
  measureBudgets,
  measureSizes,
  sampleRows,
} from './verify-latency.js'
import type { VerifyJob } from './verify-messages.js'
import { replay, replayFinding } from './verify-replay.js'
import { resolveWriters } from './verify-writers.js'

/** The gates of a verification, in order. */
export const verificationGates = [
  'read',
  'signature',
  'digests',
  'schema',
  'writers',
  'graphs',
  'load',
  'golden',
  'replay',
  'warm-up',
  'latency',
  'deadline',
  'budget',
] as const

export interface VerifyListener extends GateListener {
  read(bundle: Bundle): void
  costs(costs: readonly MeasuredCost[]): void
}

/**
 * Puts a bundle through every gate in this very thread, which a bad model may block or kill. Gates that were not asked for (no keys, no
 * writer schemas, nothing to replay, no budgets) are not in the report. `read` is told as soon as it is known which bundle it is, `costs` what it
 * costs where that was measured.
 */
export async function runGates(job: VerifyJob, listener: VerifyListener): Promise<void> {
  const run = startGates(listener)
  const bundle = await run.pass(
    'read',
    () => readBundle(job.path),
    ({ ref, digest }) => `${ref}, digest ${digest}`,
  )
  if (!bundle) return
  listener.read(bundle)
  if (job.trustedKeys.length > 0) {
    const signer = await run.pass(
      'signature',
      () => verifySignature(bundle, job.trustedKeys),
      (name) => `signed by ${name}`,
    )
    // What nobody vouches for is not even loaded.
    if (!signer) return
  }
  await formGates(run, bundle, job)
  const model = await run.pass(
    'load',
    () => timed(() => loadLocally(bundle, job.intraOpThreads)),
    ({ ms }) => ({ detail: `in ${ms.toFixed(0)} ms`, measured: { loadMs: ms, rssMb: rssMb() } }),
  )
  if (!model) return run.skip('golden', 'the model does not load')
  const measured = await runningGates(run, bundle, model.result, job)
  if (measured) listener.costs(measured.map(costOf))
  await model.result.scorer.close()
}

/** What can be told without running the model. */
async function formGates(run: GateRun, bundle: Bundle, job: VerifyJob): Promise<void> {
  await run.pass(
    'digests',
    () => verifyDigests(bundle),
    (count) => `${count} files are what the manifest states`,
  )
  const { inputs, readerSchema } = bundle.plan
  // Reading the bundle has bound the fields; this is the line about it.
  await run.pass(
    'schema',
    () => inputs.reduce((sum, input) => sum + input.fields.length, 0),
    (fields) => `${fields} fields fill ${inputs.length} tensors`,
  )
  if (job.writerSchemas.length > 0)
    await run.pass(
      'writers',
      () => resolveWriters(readerSchema, job.writerSchemas),
      (count) => `reads all ${count} schemas of the input`,
    )
  await run.pass(
    'graphs',
    () => fitGraphs(bundle),
    (description) => description,
  )
}

/** Returns what batches cost, where they were measured. */
async function runningGates(
  run: GateRun,
  bundle: Bundle,
  model: LocalModel,
  job: VerifyJob,
): Promise<readonly Measured[] | undefined> {
  const golden = await run.pass(
    'golden',
    () => answerGolden(bundle, model.scorer),
    (count) => `${count} ${count === 1 ? 'case agrees' : 'cases agree'}`,
  )
  if (job.replay) {
    const { replay: asked, writerSchemas, intraOpThreads } = job
    await run.pass(
      'replay',
      async () => {
        const bundleNow = await readBundle(asked.active)
        const now = await loadLocally(bundleNow, intraOpThreads)
        const replayed = await replay(
          asked,
          writerSchemas,
          { plan: bundle.plan, scorer: model.scorer },
          { plan: bundleNow.plan, scorer: now.scorer },
        )
        await now.scorer.close()
        return replayed
      },
      (replayed) => replayFinding(replayed, asked.requiredAgreement),
    )
  }
  // The rows to measure with are golden cases: without sound ones there is nothing to measure.
  if (!golden) return undefined
  const rowsOf = (count: number) => sampleRows(bundle, count)
  await run.pass(
    'warm-up',
    // What is measured next is run often enough then.
    () => measureSizes(model, rowsOf, job.batchSizes, 0, job.latency ? 1 : undefined),
    (measured) => `${measured.length} batch sizes`,
  )
  const measured = job.latency
    ? await run.pass(
        'latency',
        () => measureSizes(model, rowsOf, job.batchSizes, job.latencyMs),
        (sizes) => latencyFinding(sizes, job.batchSizes),
      )
    : undefined
  const budgets = budgetsOf(bundle.manifest.stages)
  const { deadline } = job
  if (deadline)
    await run.pass(
      'deadline',
      () => deadlineFinding(deadline, budgets, () => measure(model, rowsOf(1), job.measureMs), measured),
      (finding) => finding,
    )
  if (budgets.length > 0)
    await run.pass(
      'budget',
      () => measureBudgets(model, rowsOf, budgets, job.measureMs),
      (finding) => finding,
    )
  return measured
}

async function timed<T>(run: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const began = performance.now()
  const result = await run()
  return { result, ms: performance.now() - began }
}

const rssMb = (): number => process.memoryUsage.rss() / 2 ** 20
