/** What a simulation found: figures for programs, and as people read them. */
import type { Fate, Simulation } from '../simulate.js'
import { count, milliseconds, precisePercent } from './format.js'
import { type Colors, facts } from './output.js'

export interface SimulationSummary {
  readonly records: number
  readonly inTime: number
  readonly late: number
  readonly dropped: number
  readonly withheld: number
  /** 0 to 1 */
  readonly missRatio: number
  readonly goodputPerSecond: number
  /** share of the time, 0 to 1 */
  readonly modelBusy: number
  /** of those in time */
  readonly leastSlackMs: number
  readonly medianSlackMs: number
  /** in time by the fallback, where there is one */
  readonly byFallback?: number
}

export const summarise = ({ fates, busyMs, elapsedMs }: Simulation, hasFallback: boolean): SimulationSummary => {
  const of = (result: Fate['result']) => fates.filter((fate) => fate.result === result)
  const inTime = of('in-time')
  const slack = inTime.map(({ deadline, readyAt }) => deadline - readyAt).sort((one, other) => one - other)
  return {
    records: fates.length,
    inTime: inTime.length,
    late: of('late').length,
    dropped: of('dropped').length,
    withheld: of('withheld').length,
    missRatio: fates.length === 0 ? 0 : 1 - inTime.length / fates.length,
    goodputPerSecond: elapsedMs > 0 ? (1_000 * inTime.length) / elapsedMs : 0,
    modelBusy: elapsedMs > 0 ? busyMs / elapsedMs : 0,
    leastSlackMs: slack[0] ?? 0,
    medianSlackMs: slack[slack.length >> 1] ?? 0,
    ...(hasFallback && { byFallback: inTime.filter(({ byFallback }) => byFallback).length }),
  }
}

export const describeSimulation = (summary: SimulationSummary, colors: Colors): string => {
  const { records, inTime, goodputPerSecond, byFallback, modelBusy, leastSlackMs, medianSlackMs } = summary
  const some = (number: number, what: string) =>
    `${count(number)}${records > 0 ? ` (${precisePercent(number / records)})` : ''}${what}`
  return facts(
    [
      ['records', count(records)],
      ['in time', some(inTime, `; ${count(goodputPerSecond)} a second`)],
      ...(byFallback === undefined ? [] : [['', some(byFallback, ' by the fallback')] as const]),
      ['late', some(summary.late, ': scored or acknowledged after the deadline')],
      ['dropped', some(summary.dropped, ': given up before anything was spent on them')],
      ['withheld', some(summary.withheld, ': scored, and found too late then')],
      [
        'ms left',
        `${milliseconds(medianSlackMs)} at the median, ${milliseconds(leastSlackMs)} at least, of those in time`,
      ],
      ['model', `${precisePercent(modelBusy)} busy`],
    ],
    colors,
  )
}
