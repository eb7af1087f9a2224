import type { StageBudget } from '../../stages/ports.js'
import type { Finding } from './gates.js'
import { budgetFor } from './stage-budget.js'
import { type Measured, patiently, quantile } from './verify-latency.js'

/** What a deployment promises, and what a record waits for besides being scored, by the names of the settings; milliseconds. */
export interface DeadlineJob {
  readonly ms: number
  readonly waits: readonly (readonly [setting: string, ms: number])[]
}

/** Both of what follows; what is measured is measured again before it refuses anything. */
export async function deadlineFinding(
  job: DeadlineJob,
  budgets: readonly StageBudget[],
  alone: () => Promise<Measured>,
  measured: readonly Measured[] = [],
): Promise<Finding> {
  const asked = budgetsFinding(job, budgets)
  if (asked?.code) return asked
  const found = await patiently(async () => costFinding(job, await alone(), measured))
  return asked ? { ...found, detail: `${found.detail}; ${asked.detail}` } : found
}

/**
 * Whether the budgets that a bundle asks for leave room for each other within the deadline: those for the fewest records that any of them is
 * stated for have to, those for more say how large a batch may become. Undefined where it asks for none.
 */
export function budgetsFinding({ ms, waits }: DeadlineJob, budgets: readonly StageBudget[]): Finding | undefined {
  if (budgets.length === 0) return undefined
  const sizes = [...new Set(budgets.flatMap(({ table }) => table.map(({ rows }) => rows)))].sort(
    (one, other) => one - other,
  )
  const termsFor = (rows: number) => [...budgets.map((one) => [one.stage, budgetFor(one, rows)] as const), ...waits]
  const fewest = sizes[0]!
  const least = termsFor(fewest)
  if (total(least) > ms)
    return {
      detail: `the budgets for ${records(fewest)} add up past the deadline: ${sum(least)} ms of ${ms}`,
      code: 'deadline-unfit',
    }
  const most = sizes.filter((rows) => total(termsFor(rows)) <= ms).at(-1)!
  return { detail: `the budgets for ${records(most)}: ${sum(termsFor(most))} ms of ${ms}` }
}

/**
 * Whether a record that is scored alone is there in time, but for one in a hundred. How many the model keeps up with is another question, which
 * only the stream answers. `measured`: of other batch sizes, where they were.
 */
export function costFinding({ ms, waits }: DeadlineJob, alone: Measured, measured: readonly Measured[]): Finding {
  const aloneMs = quantile(alone.totalMs, 0.99)
  const terms = [['p99 of a record alone', aloneMs] as const, ...waits]
  const figures = { deadlineMs: ms, aloneP99Ms: aloneMs, waitsMs: total(waits) }
  const detail = `${sum(terms)} ms of ${ms}`
  if (total(terms) > ms) return { detail, measured: figures, code: 'deadline-unfit' }
  const most = measured.filter(({ totalMs }) => quantile(totalMs, 0.99) + total(waits) <= ms).at(-1)
  return { detail: most ? `${detail}; up to ${records(most.rows)} at once were in time` : detail, measured: figures }
}

type Terms = readonly (readonly [name: string, ms: number])[]

const total = (terms: Terms): number => terms.reduce((so, [, ms]) => so + ms, 0)

const sum = (terms: Terms): string =>
  `${terms.map(([name, ms]) => `${name} ${shown(ms)}`).join(' + ')} = ${shown(total(terms))}`

const records = (count: number): string => `${count} record${count === 1 ? '' : 's'}`

const shown = (value: number): string => String(Number(value.toFixed(value < 10 ? 3 : 2)))
