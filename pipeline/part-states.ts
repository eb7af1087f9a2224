/** What each part of a worker is about, for status, readiness and the log: infrastructure that is away is a state, not a crash. */
import { Subject } from 'rxjs'

export type Part = 'source' | 'publisher' | 'registry' | 'control' | 'fences' | 'events' | 'model' | 'models' | 'shadow'

export const parts: readonly Part[] = [
  'source',
  'publisher',
  'registry',
  'control',
  'fences',
  'events',
  'model',
  'models',
  'shadow',
]

export interface PartState {
  readonly part: Part
  /** connecting, joining, running, waiting, stopped */
  readonly state: string
  /** what exactly; for `waiting`, what is waited for and what mends it */
  readonly detail: string
  /** milliseconds since the epoch */
  readonly since: number
}

/** What keeps a worker from being ready. A shadow that cannot be written, or pushes that cannot be read, are no reason to stop sending records. */
export const waitingParts = (all: readonly PartState[]): PartState[] =>
  all.filter(({ part, state }) => state === 'waiting' && part !== 'shadow' && part !== 'models')

export interface PartStates {
  set(part: Part, state: string, detail: string): void
  readonly all: readonly PartState[]
  readonly changes: Subject<PartState>
}

export function createPartStates(): PartStates {
  const states = new Map<Part, PartState>()
  const changes = new Subject<PartState>()
  return {
    changes,
    set(part, state, detail) {
      const before = states.get(part)
      if (before?.state === state && before.detail === detail) return
      const now = { part, state, detail, since: before?.state === state ? before.since : Date.now() }
      states.set(part, now)
      changes.next(now)
    },
    get all() {
      return parts.flatMap((part) => states.get(part) ?? [])
    },
  }
}
