import type { ModelStage } from '../../stages/ports.js'
import { type Bundle, readBundle } from './bundle.js'
import { type LocalModel, loadLocally } from './local-model.js'
import { byStage, modelStages, type StatedBudgets } from './stage-budget.js'
import { startWallClock } from './stopwatch.js'
import { type Measured, measureSizes, quantile, sampleRows } from './verify-latency.js'

export interface ProfileOptions {
  readonly batchSizes: readonly number[]
  /** how long each is measured */
  readonly measureMs: number
  /** share of batches that may take longer than the budget */
  readonly missRatio: number
  readonly intraOpThreads: number
}

export interface Times {
  readonly p50Ms: number
  readonly p99Ms: number
  /** what all but the share that may miss kept below */
  readonly keptMs: number
}

export interface ProfileRow extends Times {
  readonly rows: number
  /** how often it was run */
  readonly runs: number
  readonly stages: Readonly<Partial<Record<ModelStage, Times>>>
}

export interface Profile {
  /** name@version */
  readonly ref: string
  readonly digest: string
  readonly missRatio: number
  /** by batch size, ascending */
  readonly table: readonly ProfileRow[]
  /** `stages` of a manifest that could be asked of it here: firm where it was run often enough to tell, soft where not */
  readonly stages: StatedBudgets
}

/** What a budget has to spare: the next run is not this one. */
const headroom = 1.25

const mostRuns = 100_000

/**
 * Measures a bundle on copies of its first golden case, in this very thread and by the clock on the wall: whatever else runs on the machine is in
 * it. Rejects as `readBundle` and `loadLocally` do.
 */
export async function profileBundle(path: string, options: ProfileOptions): Promise<Profile> {
  const { missRatio, intraOpThreads } = options
  const bundle = await readBundle(path)
  const model = await loadLocally(bundle, intraOpThreads, startWallClock)
  const measured = await measureWarm(bundle, model, options).finally(() => model.scorer.close())
  const table = measured.map((one) => rowOf(one, missRatio))
  return { ref: bundle.ref, digest: bundle.digest, missRatio, table, stages: budgetsFrom(table, missRatio) }
}

async function measureWarm(bundle: Bundle, model: LocalModel, { batchSizes, measureMs }: ProfileOptions) {
  const rowsOf = (count: number) => sampleRows(bundle, count)
  await measureSizes(model, rowsOf, batchSizes, 0)
  return measureSizes(model, rowsOf, batchSizes, measureMs, mostRuns)
}

const rowOf = ({ rows, totalMs, graphMs }: Measured, missRatio: number): ProfileRow => {
  const times = (sorted: readonly number[]): Times => ({
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    keptMs: quantile(sorted, 1 - missRatio),
  })
  const stages = byStage(new Map([...graphMs].map(([file, sorted]) => [file, times(sorted)])))
  return { rows, runs: totalMs.length, ...times(totalMs), stages }
}

/** Whether so many runs tell of so rare a miss. */
export const tells = ({ runs }: Pick<ProfileRow, 'runs'>, missRatio: number): boolean => runs * missRatio >= 1

function budgetsFrom(table: readonly ProfileRow[], missRatio: number): StatedBudgets {
  const kind = table.every((row) => tells(row, missRatio)) ? 'firm' : 'soft'
  const budget = (stage: ModelStage) => {
    let most = 0
    const budgetMs: Record<string, number> = {}
    for (const { rows, stages } of table) {
      most = Math.max(most, roundedUp((stages[stage]?.keptMs ?? 0) * headroom))
      budgetMs[rows] = most
    }
    return { class: kind, budgetMs } as const
  }
  const present = modelStages.filter((stage) => table[0]?.stages[stage])
  return Object.fromEntries(present.map((stage) => [stage, budget(stage)]))
}

/** To two digits. */
function roundedUp(ms: number): number {
  const unit = 10 ** (Math.floor(Math.log10(Math.max(ms, 1e-3))) - 1)
  return Number((Math.ceil(ms / unit) * unit).toPrecision(2))
}
