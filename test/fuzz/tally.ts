/** What became of the inputs of each kind, and whether any did what none may. */
import Table from 'cli-table3'
import { errors, MillraceError, rejects } from '../../stages/errors.js'

/** `accepted`, or the code with which it was refused. */
export type Outcome = string

export interface Tally {
  readonly kind: string
  tried: number
  readonly outcomes: Map<Outcome, number>
  /** how many inputs got somewhere that is worth a line */
  readonly reached: Map<string, number>
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
  reached: new Map(),
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

const add = <Name>(counts: Map<Name, number>, name: Name, times: number) =>
  void counts.set(name, (counts.get(name) ?? 0) + times)

export const reach = (tally: Tally, where: string): void => add(tally.reached, where, 1)

export const count = (tally: Tally, outcome: Outcome, times = 1): void => {
  tally.tried += times
  add(tally.outcomes, outcome, times)
  if (saysNothing(outcome)) complain(tally, `refused as ${outcome}, which says nothing`)
}

const saysNothing = (outcome: Outcome): boolean =>
  outcome === 'internal' ||
  !(outcome === 'accepted' || Object.hasOwn(errors, outcome) || Object.hasOwn(rejects, outcome))

export interface Attempt {
  /** undefined when something was thrown that is no answer */
  readonly outcome: Outcome | undefined
  readonly ms: number
  /** what may not be */
  readonly wrong: string | undefined
}

/** Runs `work`. A `MillraceError` is an answer; anything else that it throws is a find, and so is more than a second of the processor. */
export const attempt = async (work: () => Outcome | Promise<Outcome>): Promise<Attempt> => {
  const [began, cpu] = [performance.now(), process.cpuUsage()]
  let outcome: Outcome | undefined
  let wrong: string | undefined
  try {
    outcome = await work()
  } catch (error) {
    if (error instanceof MillraceError) outcome = error.code
    else wrong = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  if (outcome !== undefined && saysNothing(outcome)) wrong = `refused as ${outcome}, which says nothing`
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  if (ms > mostMs && (user + system) / 1000 > mostMs) wrong ??= `it took ${Math.round(ms)} ms`
  return { outcome, ms, wrong }
}

export const noteMemory = (tally: Tally, capMb: number, residentBytes = process.memoryUsage.rss()): void => {
  const megabytes = Math.round(residentBytes / (1 << 20))
  tally.peakMb = Math.max(tally.peakMb, megabytes)
  if (megabytes > capMb) complain(tally, `${megabytes} MB, more than ${capMb}`)
}

export const report = (tallies: readonly Tally[]): string => {
  const table = new Table({
    head: ['kind', 'tried', 'accepted', 'refused as', 'reached', 'slowest ms', 'peak MB', 'verdict'],
    colAligns: ['left', 'right', 'right', 'left', 'left', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  })
  for (const { kind, tried, outcomes, reached, slowestMs, peakMb, wrong } of tallies) {
    const refused = [...outcomes].filter(([code]) => code !== 'accepted').sort(([, one], [, other]) => other - one)
    const codes = refused.map(([code, times]) => `${code} ${times.toLocaleString('en-US')}`).join('\n')
    const accepted = (outcomes.get('accepted') ?? 0).toLocaleString('en-US')
    const places = [...reached].map(([where, times]) => `${where} ${((100 * times) / tried).toFixed(0)} %`).join('\n')
    const verdict = wrong.length === 0 ? 'ok' : `${wrong.length} finds`
    table.push([kind, tried.toLocaleString('en-US'), accepted, codes, places, slowestMs.toFixed(1), peakMb, verdict])
  }
  return [table.toString(), ...tallies.flatMap(({ kind, wrong }) => wrong.map((line) => `${kind}: ${line}`))].join('\n')
}
