import type { Missed, Rejected } from './ports.js'

/** What a record is that is, or would be, ready at `at` and whose deadline is before that. */
export function missed(stage: Missed['stage'], deadline: number, at: number): Missed {
  const missedByMs = at - deadline
  const reason =
    stage === 'admission'
      ? `it would be ${missedByMs.toFixed(1)} ms too late`
      : `it was scored ${missedByMs.toFixed(1)} ms too late`
  return { code: 'deadline-missed', reason, stage, deadline, missedByMs }
}

export const isMissed = (rejected: Rejected): rejected is Missed => rejected.code === 'deadline-missed'
