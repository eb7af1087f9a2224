/** What the broker says of the group: asked only while somebody wants to know, and not more often than every second or two. */
import type { GroupStatus } from './kafka/group-status.js'

export interface GroupRates {
  /** records a second that came to the input topic */
  readonly arriving: number
  /** records a second that the group was done with: what was made of them is acknowledged, and their offsets are committed */
  readonly done: number
  /** the same by partition */
  readonly doneOf: ReadonlyMap<number, number>
}

export interface WatchedGroup extends GroupStatus {
  /** between this look and the one before; null where that was long ago */
  readonly rates: GroupRates | null
}

export interface GroupWatch {
  /** Rejects while the broker cannot be asked. */
  status(): Promise<WatchedGroup>
  /** The same, or undefined when there is no answer within `timeoutMs`. */
  statusWithin(timeoutMs: number): Promise<WatchedGroup | undefined>
}

/** A mean over more says little of now. */
const longestBetweenMs = 15_000

export const createGroupWatch = (ask: () => Promise<GroupStatus>, keptMs = 1_500, now = Date.now): GroupWatch => {
  let asked: Promise<WatchedGroup> | undefined
  let until = Number.NEGATIVE_INFINITY
  let last: WatchedGroup | undefined
  let lastAt = Number.NEGATIVE_INFINITY

  const look = async (): Promise<WatchedGroup> => {
    const answer = await ask()
    const ms = now() - lastAt
    const rates = last && ms > 0 && ms <= longestBetweenMs ? ratesOf(last, answer, ms / 1_000) : null
    return { ...answer, rates }
  }

  const status = () => {
    if (asked && now() < until) return asked
    // While it is under way nobody asks again.
    until = Number.POSITIVE_INFINITY
    asked = look()
    asked
      .then(
        (answer) => {
          last = answer
          lastAt = now()
        },
        () => {
          last = undefined
        },
      )
      .finally(() => {
        until = now() + keptMs
      })
    return asked
  }

  return {
    status,
    statusWithin: (timeoutMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(last), timeoutMs)
        status()
          .then(resolve, () => resolve(undefined))
          .finally(() => clearTimeout(timer))
      }),
  }
}

/** Of a partition without a commit nothing was done; one that is new, or was made anew, has brought nothing. */
const ratesOf = (before: GroupStatus, after: GroupStatus, seconds: number): GroupRates => {
  const old = new Map(before.partitions.map((one) => [one.partition, one]))
  const perSecond = (of: (one: GroupStatus['partitions'][number]) => number) =>
    new Map(
      after.partitions.map((one) => [
        one.partition,
        Math.max(0, of(one) - of(old.get(one.partition) ?? one)) / seconds,
      ]),
    )
  const sum = (rates: ReadonlyMap<number, number>) => [...rates.values()].reduce((all, rate) => all + rate, 0)
  const doneOf = perSecond(({ committed, first }) => committed ?? first)
  return { arriving: sum(perSecond(({ end }) => end)), done: sum(doneOf), doneOf }
}
