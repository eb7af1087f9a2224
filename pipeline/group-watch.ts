/** What the broker says of the group: asked only while somebody wants to know, and not more often than every few seconds. */
import type { GroupStatus } from './kafka/group-status.js'

export interface GroupWatch {
  /** Rejects while the broker cannot be asked. */
  status(): Promise<GroupStatus>
  /** The same, or undefined when there is no answer within `timeoutMs`. */
  statusWithin(timeoutMs: number): Promise<GroupStatus | undefined>
}

export const createGroupWatch = (ask: () => Promise<GroupStatus>, keptMs = 3_000, now = Date.now): GroupWatch => {
  let asked: Promise<GroupStatus> | undefined
  let until = Number.NEGATIVE_INFINITY
  let last: GroupStatus | undefined

  const status = () => {
    if (asked && now() < until) return asked
    // While it is under way nobody asks again.
    until = Number.POSITIVE_INFINITY
    asked = ask()
    asked
      .then(
        (answer) => {
          last = answer
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
