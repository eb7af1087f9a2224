import { type Bundle, readBundle } from './bundle.js'
import { type LocalModel, loadLocally } from './local-model.js'
import { measureSizes, quantile, sampleRows } from './verify-latency.js'

export interface ProfileOptions {
  readonly batchSizes: readonly number[]
  /** how long each is measured */
  readonly measureMs: number
  /** share of batches that may take longer than the budget */
  readonly missRatio: number
  readonly intraOpThreads: number
}

export interface ProfileRow {
  readonly rows: number
  /** how often it was run */
  readonly runs: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** what all but `missRatio` of the runs kept below */
  readonly budgetMs: number
  /** p99 of each graph, by file */
  readonly stages: Readonly<Record<string, number>>
}

export interface Profile {
  /** name@version */
  readonly ref: string
  readonly digest: string
  readonly missRatio: number
  /** by batch size, ascending */
  readonly table: readonly ProfileRow[]
}

/** Measures a bundle on copies of its first golden case, in this very thread. Rejects as `readBundle` and `loadLocally` do. */
export async function profileBundle(path: string, options: ProfileOptions): Promise<Profile> {
  const { missRatio, intraOpThreads } = options
  const bundle = await readBundle(path)
  const model = await loadLocally(bundle, intraOpThreads)
  const measured = await measureWarm(bundle, model, options).finally(() => model.scorer.close())
  return {
    ref: bundle.ref,
    digest: bundle.digest,
    missRatio,
    table: measured.map(({ rows, totalMs, graphMs }) => ({
      rows,
      runs: totalMs.length,
      p50Ms: quantile(totalMs, 0.5),
      p99Ms: quantile(totalMs, 0.99),
      budgetMs: quantile(totalMs, 1 - missRatio),
      stages: Object.fromEntries([...graphMs].map(([file, ms]) => [file, quantile(ms, 0.99)])),
    })),
  }
}

async function measureWarm(bundle: Bundle, model: LocalModel, { batchSizes, measureMs }: ProfileOptions) {
  const rowsOf = (count: number) => sampleRows(bundle, count)
  await measureSizes(model, rowsOf, batchSizes, 0)
  return measureSizes(model, rowsOf, batchSizes, measureMs)
}
