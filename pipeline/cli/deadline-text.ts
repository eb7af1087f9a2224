/** How a worker keeps its deadline, as people read it. */
import { count, milliseconds, precisePercent } from './format.js'
import type { Look } from './stages/ask.js'

export type DeadlineStats = NonNullable<Look['deadline']>

/** Of all its records, 0 to 1. */
export const missRatioOf = ({ records, missed }: Pick<DeadlineStats, 'records' | 'missed'>): number =>
  records === 0 ? 0 : Object.values(missed).reduce((sum, of) => sum + of, 0) / records

/** In one line: the class, who missed it and where that was found, and what was left at each stage. */
export const deadlineText = (stats: DeadlineStats): string => {
  const { class: kind, ms, records, missed, slack } = stats
  const rule = `${kind}, ${count(ms)} ms`
  if (records === 0) return `${rule}; no record yet`
  const where = Object.entries(missed).flatMap(([stage, of]) => (of > 0 ? [`${count(of)} at ${stage}`] : []))
  const left = slack.map(
    ({ stage, p50Ms, leastMs }) => `${stage} ${milliseconds(p50Ms)} (least ${milliseconds(leastMs)})`,
  )
  return [
    `${rule}; missed by ${precisePercent(missRatioOf(stats))} of ${count(records)} records`,
    ...(where.length > 0 ? [`: ${where.join(', ')}`] : []),
    `; ms left at ${left.join(', ')}`,
  ].join('')
}
