/** What a switch costs: how long it takes, and the longest gap between two predictions around it and without one. */

/** Of all switches from one model to another. Times in milliseconds. */
export interface SwitchFigures {
  readonly from: string
  readonly to: string
  readonly switches: number
  /** from the command to the first prediction of the new model; the longest */
  readonly firstAfterMs: number
  /** from the command until every partition has the new model; the longest */
  readonly allAfterMs: number
  readonly longestGapMs: number
}

export interface Switches {
  /** the switch that is under way */
  readonly pending: { readonly from: string; readonly to: string } | undefined
  /** the longest gap that no switch was near */
  readonly steadyGapMs: number
  /** The command was sent. */
  begin(from: string, to: string, now: number): void
  /** A prediction came from a partition. */
  arrive(partition: number, model: string, now: number): void
  /** Of those that are through, in the order of their first; a switch that never came through is not among them. */
  figures(): readonly SwitchFigures[]
}

/** What comes so soon after a switch belongs to it. */
const aftermathMs = 500

interface Pending {
  readonly from: string
  readonly to: string
  readonly begunAt: number
  /** which still had another model */
  readonly left: Set<number>
  longestGapMs: number
  firstAt: number | undefined
  allAt: number | undefined
}

export const createSwitches = (partitions: number): Switches => {
  const figures = new Map<string, SwitchFigures>()
  let pending: Pending | undefined
  let lastAt: number | undefined
  let steadyGapMs = 0

  const settle = () => {
    if (!pending || pending.firstAt === undefined || pending.allAt === undefined) return
    const { from, to, begunAt, firstAt, allAt, longestGapMs } = pending
    const key = `${from} ${to}`
    const before = figures.get(key)
    figures.set(key, {
      from,
      to,
      switches: (before?.switches ?? 0) + 1,
      firstAfterMs: Math.max(before?.firstAfterMs ?? 0, firstAt - begunAt),
      allAfterMs: Math.max(before?.allAfterMs ?? 0, allAt - begunAt),
      longestGapMs: Math.max(before?.longestGapMs ?? 0, longestGapMs),
    })
    pending = undefined
  }

  return {
    get pending() {
      return pending?.allAt === undefined ? pending : undefined
    },
    get steadyGapMs() {
      return steadyGapMs
    },
    figures() {
      settle()
      return [...figures.values()]
    },
    begin(from, to, now) {
      settle()
      const left = new Set(Array.from({ length: partitions }, (_, index) => index))
      pending = { from, to, begunAt: now, left, longestGapMs: 0, firstAt: undefined, allAt: undefined }
    },
    arrive(partition, model, now) {
      const gap = lastAt === undefined ? 0 : now - lastAt
      lastAt = now
      if (!pending) {
        steadyGapMs = Math.max(steadyGapMs, gap)
        return
      }
      pending.longestGapMs = Math.max(pending.longestGapMs, gap)
      if (model === pending.to) {
        pending.firstAt ??= now
        pending.left.delete(partition)
        if (pending.left.size === 0) pending.allAt ??= now
      }
      if (pending.allAt !== undefined && now - pending.allAt > aftermathMs) settle()
    },
  }
}
