/** What became of the inputs of each kind, and whether any did what none may. */
import Table from 'cli-table3'
import { errors, MillraceError, rejects } from '../../stages/errors.js'

/** `accepted`, or the code with which it was refused. */
export type Outcome = string

export interface Tally {
  readonly kind: string
  tried: number
  readonly outcomes: Map<Outcome, number>
  /** of one input, or of one run of records */
  slowestMs: number
  peakMb: number
  /** what may not be, a line each; the first few */
  readonly wrong: string[]
}

export const createTally = (kind: string): Tally => ({
  kind,
  tried: 0,
  outcomes: new Map(),
  slowestMs: 0,
  peakMb: 0,
  wrong: [],
})

/** One input may take so long; waiting for the processor, among others on the machine, is not the input's. */
export const mostMs = 1_000
const keptWrongs = 20

export const complain = (tally: Tally, what: string): void => {
  if (tally.wrong.length < keptWrongs) tally.wrong.push(what)
}

export const count = (tally: Tally, outcome: Outcome, times = 1): void => {
  tally.tried += times
  tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + times)
  const known = outcome === 'accepted' || Object.hasOwn(errors, outcome) || Object.hasOwn(rejects, outcome)
  if (!known || outcome === 'internal') complain(tally, `refused as ${outcome}, which says nothing`)
}

/** Runs `work`, whose time and memory are `tally`'s. A `MillraceError` is an answer; anything else that it throws is a find. */
export const watch = async (
  tally: Tally,
  what: string,
  work: () => Outcome | undefined | Promise<Outcome | undefined>,
): Promise<void> => {
  const [began, cpu] = [performance.now(), process.cpuUsage()]
  try {
    const outcome = await work()
    if (outcome !== undefined) count(tally, outcome)
  } catch (error) {
    if (error instanceof MillraceError) count(tally, error.code)
    else {
      tally.tried += 1
      complain(tally, `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  tally.slowestMs = Math.max(tally.slowestMs, ms)
  if (ms > mostMs && (user + system) / 1000 > mostMs) complain(tally, `${what}: ${Math.round(ms)} ms`)
}

export const noteMemory = (tally: Tally, capMb: number, residentBytes = process.memoryUsage.rss()): void => {
  const megabytes = Math.round(residentBytes / (1 << 20))
  tally.peakMb = Math.max(tally.peakMb, megabytes)
  if (megabytes > capMb) complain(tally, `${megabytes} MB, more than ${capMb}`)
}

export const report = (tallies: readonly Tally[]): string => {
  const table = new Table({
    head: ['kind', 'tried', 'accepted', 'refused as', 'slowest ms', 'peak MB', 'verdict'],
    colAligns: ['left', 'right', 'right', 'left', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  })
  for (const { kind, tried, outcomes, slowestMs, peakMb, wrong } of tallies) {
    const refused = [...outcomes].filter(([code]) => code !== 'accepted').sort(([, one], [, other]) => other - one)
    const codes = refused.map(([code, times]) => `${code} ${times.toLocaleString('en-US')}`).join('\n')
    const accepted = (outcomes.get('accepted') ?? 0).toLocaleString('en-US')
    const verdict = wrong.length === 0 ? 'ok' : `${wrong.length} finds`
    table.push([kind, tried.toLocaleString('en-US'), accepted, codes, slowestMs.toFixed(1), peakMb, verdict])
  }
  return [table.toString(), ...tallies.flatMap(({ kind, wrong }) => wrong.map((line) => `${kind}: ${line}`))].join('\n')
}
