import { performance } from 'node:perf_hooks'
import type { Rows } from '../../stages/ports.js'
import type { Bundle } from './bundle.js'
import type { Finding } from './gates.js'
import { goldenRows, parseGolden } from './golden.js'
import type { LocalModel } from './local-model.js'
import type { Manifest } from './manifest.js'
import { startStopwatch } from './stopwatch.js'
import { takeRows } from './tensors.js'

/** Sorted milliseconds of some runs of one batch size. */
export interface Measured {
  readonly rows: number
  readonly totalMs: readonly number[]
  /** by graph, `model.onnx` and the others that the bundle has */
  readonly graphMs: ReadonlyMap<string, readonly number[]>
}

const fewestRuns = 5
const mostRuns = 1000
/** A batch that takes longer than this is not run again and again. */
const longestRunMs = 2000

/** `count` copies of the first golden case. */
export function sampleRows({ files, plan }: Bundle, count: number): Rows {
  const [first] = parseGolden(files.get('golden.jsonl')!)
  const row = goldenRows(first!, plan)
  return { count, columns: row.columns.map((column, i) => takeRows(column, plan.inputs[i]!.width, 0, 1, count)) }
}

/** Runs one batch size for about `measureMs`, at least five times, or once when one run takes more than two seconds. */
export async function measure(model: LocalModel, rows: Rows, measureMs: number): Promise<Measured> {
  const totalMs: number[] = []
  const graphMs = new Map([...model.spentMs.keys()].map((file) => [file, [] as number[]]))
  const began = performance.now()
  for (let run = 0; run < mostRuns; run++) {
    const before = new Map(model.spentMs)
    const elapsed = startStopwatch()
    await model.scorer.score(rows)
    const took = elapsed()
    totalMs.push(took)
    for (const [file, spent] of model.spentMs) graphMs.get(file)?.push(spent - (before.get(file) ?? 0))
    if (took > longestRunMs || (performance.now() - began > measureMs && run + 1 >= fewestRuns)) break
  }
  const ascending = (numbers: number[]) => numbers.sort((a, b) => a - b)
  for (const numbers of graphMs.values()) ascending(numbers)
  return { rows: rows.count, totalMs: ascending(totalMs), graphMs }
}

/** Measures each batch size, the smallest first; sizes that would take too long are left out. */
export async function measureSizes(
  model: LocalModel,
  rowsOf: (count: number) => Rows,
  sizes: readonly number[],
  measureMs: number,
): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const size of [...sizes].sort((a, b) => a - b)) {
    const last = measured.at(-1)
    if (last && (quantile(last.totalMs, 0.5) / last.rows) * size > 5 * longestRunMs) break
    measured.push(await measure(model, rowsOf(size), measureMs))
  }
  return measured
}

export function latencyFinding(measured: readonly Measured[], sizes: readonly number[]): Finding {
  const line = measured.map(
    ({ rows, totalMs }) => `${rows}: ${ms(quantile(totalMs, 0.5))} / ${ms(quantile(totalMs, 0.99))}`,
  )
  const leftOut = sizes.length - measured.length
  return {
    detail: `ms per batch, p50 / p99: ${line.join(', ')}${leftOut > 0 ? `; ${leftOut} larger sizes would take too long` : ''}`,
    measured: Object.fromEntries(
      measured.flatMap(({ rows, totalMs }) => [
        [`batch${rows}P50Ms`, quantile(totalMs, 0.5)],
        [`batch${rows}P99Ms`, quantile(totalMs, 0.99)],
      ]),
    ),
  }
}

const stageFiles = { preprocess: 'preprocess.onnx', inference: 'model.onnx', postprocess: 'postprocess.onnx' } as const
type Budget = NonNullable<NonNullable<Manifest['stages']>[keyof typeof stageFiles]>

/** A machine that others use has its hiccups: a budget counts as missed when it is missed this many times in a row. */
const rounds = 3

/** Measures every stage for which the bundle states a budget, on batches of the size that the budget is for. */
export async function measureBudgets(
  model: LocalModel,
  rowsOf: (count: number) => Rows,
  stages: NonNullable<Manifest['stages']>,
  measureMs: number,
): Promise<Finding> {
  const findings: Finding[] = []
  for (const stage of Object.keys(stageFiles) as (keyof typeof stageFiles)[]) {
    const budget = stages[stage]
    if (!budget) continue
    const file = stageFiles[stage]
    if (!model.spentMs.has(file)) {
      findings.push({ detail: `${stage}: there is no ${file}` })
      continue
    }
    let finding: Finding
    let round = 1
    do {
      const { graphMs } = await measure(model, rowsOf(budget.perRecords), measureMs)
      finding = budgetFinding(stage, budget, graphMs.get(file)!)
    } while (finding.code === 'budget-missed' && round++ < rounds)
    findings.push(finding)
  }
  const code = findings.find((finding) => finding.code)?.code
  return {
    detail: findings.map(({ detail }) => detail).join('; '),
    measured: Object.assign({}, ...findings.map(({ measured }) => measured)),
    ...(code && { code }),
  }
}

/** Judges sorted times of a stage: p99 has to be within the budget, whatever the class; `hard` is never granted. */
export function budgetFinding(stage: string, budget: Budget, times: readonly number[]): Finding {
  const p99 = quantile(times, 0.99)
  const missRatio = times.filter((time) => time > budget.budgetMs).length / times.length
  const runs = `p99 ${ms(p99)} ms per ${budget.perRecords} records, ${Number((missRatio * 100).toFixed(2))} % of ${times.length} runs missed ${budget.budgetMs} ms`
  const measured = { [`${stage}P99Ms`]: p99, [`${stage}MissRatio`]: missRatio }
  if (budget.class === 'hard')
    return {
      detail: `${stage} asks for hard, which no garbage-collected runtime on a shared kernel can promise; firm can be had: ${runs}`,
      measured,
      code: 'hard-refused',
    }
  return {
    detail: `${stage} (${budget.class}): ${runs}`,
    measured,
    ...(p99 > budget.budgetMs && { code: 'budget-missed' }),
  }
}

/** Of sorted numbers; at least one. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!

const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0))
