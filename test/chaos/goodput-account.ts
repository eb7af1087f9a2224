/** What a run comes to, of what became of its records. */
import type { Outcome } from './goodput-reader.js'

export interface Goodput {
  readonly sent: number
  /** predictions that were read */
  readonly scored: number
  /** … within the deadline, by the clock of the reader */
  readonly inTime: number
  /** on the late topic */
  readonly late: number
  /** of each second of the run: what was read in time, and what was scored at all */
  readonly seconds: readonly { readonly inTime: number; readonly scored: number }[]
  /** records a second that were read in time, and that were scored, without the first seconds */
  readonly inTimePerSecond: number
  readonly scoredPerSecond: number
  readonly switches: number
  /** milliseconds from the command until a prediction of the new generation was read: in the middle, and the longest */
  readonly switchMs: readonly [median: number, longest: number] | undefined
  /** of records that were due while a model was changed */
  readonly during: Misses
  /** of all others, but for those of the first seconds */
  readonly otherwise: Misses
}

export interface Misses {
  readonly records: number
  readonly missed: number
}

/** Milliseconds since the epoch. */
export interface Switch {
  readonly asked: number
  /** when the first prediction of it was read */
  readonly seen: number
}

export interface Run {
  readonly sent: number
  readonly began: number
  readonly ended: number
  readonly deadlineMs: number
  readonly switches: readonly Switch[]
}

/** In which the pipe fills and code is compiled. */
const warmUpMs = 3_000

export function account(outcomes: readonly Outcome[], { sent, began, ended, deadlineMs, switches }: Run): Goodput {
  const inTime = ({ written, read, kind }: Outcome) => kind === 'prediction' && read - written <= deadlineMs
  const seconds = Array.from({ length: Math.ceil((ended - began) / 1_000) }, () => ({ inTime: 0, scored: 0 }))
  const during = { records: 0, missed: 0 }
  const otherwise = { records: 0, missed: 0 }
  let [scoredSteadily, inTimeSteadily] = [0, 0]
  for (const outcome of outcomes) {
    const { written, read, kind } = outcome
    const good = inTime(outcome)
    const second = seconds[Math.floor((read - began) / 1_000)]
    const steady = read >= began + warmUpMs && read < ended
    if (kind === 'prediction') {
      if (second) second.scored++
      if (steady) scoredSteadily++
    }
    if (good) {
      if (second) second.inTime++
      if (steady) inTimeSteadily++
    }
    const switching = switches.some(({ asked, seen }) => written + deadlineMs >= asked && written <= seen)
    if (!switching && written < began + warmUpMs) continue
    const misses = switching ? during : otherwise
    misses.records++
    if (!good) misses.missed++
  }
  const steadySeconds = Math.max(ended - began - warmUpMs, 1) / 1_000
  const took = switches.map(({ asked, seen }) => seen - asked).sort((one, other) => one - other)
  return {
    sent,
    scored: outcomes.filter(({ kind }) => kind === 'prediction').length,
    inTime: outcomes.filter(inTime).length,
    late: outcomes.filter(({ kind }) => kind === 'late').length,
    seconds,
    inTimePerSecond: Math.round(inTimeSteadily / steadySeconds),
    scoredPerSecond: Math.round(scoredSteadily / steadySeconds),
    switches: switches.length,
    switchMs: took.length > 0 ? [took[took.length >> 1]!, took.at(-1)!] : undefined,
    during,
    otherwise,
  }
}
