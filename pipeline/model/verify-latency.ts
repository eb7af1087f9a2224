import { performance } from 'node:perf_hooks'
import type { CostTimes, MeasuredCost, Rows, StageBudget } from '../../stages/ports.js'
import type { Bundle } from './bundle.js'
import type { GraphFile } from './chain.js'
import type { Finding } from './gates.js'
import { goldenRows, parseGolden } from './golden.js'
import type { LocalModel } from './local-model.js'
import { budgetFor, byStage, stageFiles } from './stage-budget.js'
import { takeRows } from './tensors.js'

/** Sorted milliseconds of some runs of one batch size. */
export interface Measured {
  readonly rows: number
  readonly totalMs: readonly number[]
  /** by graph, `model.onnx` and the others that the bundle has */
  readonly graphMs: ReadonlyMap<GraphFile, readonly number[]>
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

/** Runs one batch size for about `measureMs`, at least five times and `atMost` so often, or once when one run takes more than two seconds. */
export async function measure(model: LocalModel, rows: Rows, measureMs: number, atMost = mostRuns): Promise<Measured> {
  const totalMs: number[] = []
  const graphMs = new Map([...model.spentMs.keys()].map((file) => [file, [] as number[]]))
  const began = performance.now()
  for (let run = 0; run < atMost; run++) {
    const before = new Map(model.spentMs)
    const elapsed = model.startTimer()
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

/** Whether a batch of a size is left out, by what a smaller one took. */
const tooLong = (ms: number, rows: number, size: number): boolean => (ms / rows) * size > 5 * longestRunMs

/** Whether what was measured before tells of all these sizes, but for those that are left out. */
export const tellOf = (costs: readonly MeasuredCost[], sizes: readonly number[]): boolean =>
  sizes.every((size) => {
    if (costs.some(({ rows }) => rows === size)) return true
    const smaller = costs.filter(({ rows }) => rows < size).at(-1)
    return smaller !== undefined && tooLong(smaller.p50Ms, smaller.rows, size)
  })

/** Measures each batch size, the smallest first; sizes that would take too long are left out. */
export async function measureSizes(
  model: LocalModel,
  rowsOf: (count: number) => Rows,
  sizes: readonly number[],
  measureMs: number,
  atMost = mostRuns,
): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const size of [...sizes].sort((a, b) => a - b)) {
    const last = measured.at(-1)
    if (last && tooLong(quantile(last.totalMs, 0.5), last.rows, size)) break
    measured.push(await measure(model, rowsOf(size), measureMs, atMost))
  }
  return measured
}

/** What is kept of it with the bundle: what a scheduler believes until it has seen batches of its own. */
export const costOf = ({ rows, totalMs, graphMs }: Measured): MeasuredCost => ({
  rows,
  runs: totalMs.length,
  ...timesOf(totalMs),
  stages: byStage(new Map([...graphMs].map(([file, sorted]) => [file, timesOf(sorted)]))),
})

const timesOf = (sorted: readonly number[]): CostTimes => ({
  p50Ms: quantile(sorted, 0.5),
  p99Ms: quantile(sorted, 0.99),
})

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

/** A machine that others use has its hiccups: what fails is measured anew, and has failed when it does so this many times in a row. */
const rounds = 3

export async function patiently(find: () => Promise<Finding>): Promise<Finding> {
  let finding = await find()
  for (let round = 1; finding.code !== undefined && round < rounds; round++) finding = await find()
  return finding
}

/** Measures every stage for which the bundle states a budget, on batches of the sizes that it states one for. */
export async function measureBudgets(
  model: LocalModel,
  rowsOf: (count: number) => Rows,
  budgets: readonly StageBudget[],
  measureMs: number,
): Promise<Finding> {
  const findings: Finding[] = []
  for (const budget of budgets) {
    const file = stageFiles[budget.stage]
    if (!model.spentMs.has(file)) findings.push({ detail: `${budget.stage}: there is no ${file}` })
    else
      for (const { rows } of budget.table)
        findings.push(
          await patiently(async () => {
            const { graphMs } = await measure(model, rowsOf(rows), measureMs)
            return budgetFinding(budget, rows, graphMs.get(file)!)
          }),
        )
  }
  const code = findings.find((finding) => finding.code)?.code
  return {
    detail: findings.map(({ detail }) => detail).join('; '),
    measured: Object.assign({}, ...findings.map(({ measured }) => measured)),
    ...(code && { code }),
  }
}

/** Judges sorted times of a stage: p99 has to be within the budget, whatever the class; `hard` is never granted. */
export function budgetFinding(budget: StageBudget, rows: number, times: readonly number[]): Finding {
  const { stage, class: kind, table } = budget
  const budgetMs = budgetFor(budget, rows)
  const p99 = quantile(times, 0.99)
  const missRatio = times.filter((time) => time > budgetMs).length / times.length
  const runs = `p99 ${ms(p99)} ms per ${rows === 1 ? 'record' : `${rows} records`}, ${Number((missRatio * 100).toFixed(2))} % of ${times.length} runs missed ${budgetMs} ms`
  const per = table.length === 1 ? '' : `Per${rows}`
  const measured = { [`${stage}P99Ms${per}`]: p99, [`${stage}MissRatio${per}`]: missRatio }
  if (kind === 'hard')
    return {
      detail: `${stage} asks for hard, which no garbage-collected runtime on a shared kernel can promise; firm can be had: ${runs}`,
      measured,
      code: 'hard-refused',
    }
  return {
    detail: `${stage} (${kind}): ${runs}`,
    measured,
    ...(p99 > budgetMs && { code: 'budget-missed' }),
  }
}

/** Of sorted numbers; at least one. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!

const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0))
