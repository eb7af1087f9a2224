import type { Finding } from './gates.js'
import type { Manifest } from './manifest.js'
import { type Measured, quantile } from './verify-latency.js'

/** What a deployment promises, and what it waits for besides scoring; milliseconds. */
export interface DeadlineJob {
  readonly ms: number
  readonly waitsMs: number
}

/**
 * Whether a model can keep a deadline: the budgets that its stages ask for have to fit together, and so has what a record alone takes, but for
 * one in a hundred. How many it keeps up with is another question, which only the stream answers.
 */
export function deadlineFinding(
  { ms, waitsMs }: DeadlineJob,
  stages: Manifest['stages'],
  measured: readonly Measured[],
): Finding {
  const budgets = Object.entries(stages ?? {}).map(([stage, { budgetMs }]) => [stage, budgetMs] as const)
  const asked = budgets.reduce((sum, [, budgetMs]) => sum + budgetMs, waitsMs)
  const terms = [...budgets, ['waiting', waitsMs] as const]
    .map(([name, value]) => `${name} ${shown(value)}`)
    .join(' + ')
  if (budgets.length > 0 && asked > ms)
    return {
      detail: `the budgets add up past the deadline: ${terms} = ${shown(asked)} ms of ${ms}`,
      code: 'deadline-unfit',
    }
  const [alone] = measured
  if (!alone) return { detail: `${terms}, nothing was measured`, code: 'deadline-unfit' }
  const aloneMs = quantile(alone.totalMs, 0.99)
  const figures = { deadlineMs: ms, aloneP99Ms: aloneMs, waitsMs }
  const sum = `${shown(aloneMs)} (p99 of ${alone.rows === 1 ? 'a record alone' : `${alone.rows} records`}) + ${shown(waitsMs)} of waiting = ${shown(aloneMs + waitsMs)} ms of ${ms}`
  if (aloneMs + waitsMs > ms) return { detail: sum, measured: figures, code: 'deadline-unfit' }
  const most = measured.filter(({ totalMs }) => quantile(totalMs, 0.99) + waitsMs <= ms).at(-1)
  return { detail: `${sum}; up to ${most?.rows} at once were in time`, measured: figures }
}

const shown = (value: number): string => String(Number(value.toFixed(2)))
