import type { Subscription } from 'rxjs'
import type { Log, LogItem } from './logs.js'

export interface LogFollower {
  /** Resolves when everything that is in the log at the time of the call has been seen. Rejects when the log fails. */
  catchUp(): Promise<void>
  close(): void
}

/** Follows a log and tells when it is caught up: the barrier that makes what others wrote before known here. */
export function followLog<T>(
  log: Log<T>,
  onItem: (item: Exclude<LogItem<T>, { type: 'reached' }>) => void,
): LogFollower {
  const waiters = new Set<{ readonly offset: number; resolve(): void; reject(error: unknown): void }>()
  let position = 0
  let failure: { readonly error: unknown } | undefined

  const subscription: Subscription = log.items.subscribe({
    next(item) {
      if (item.type !== 'reached') return onItem(item)
      position = item.offset
      for (const waiter of waiters)
        if (waiter.offset <= position) {
          waiters.delete(waiter)
          waiter.resolve()
        }
    },
    error(error) {
      failure = { error }
      for (const waiter of waiters) waiter.reject(error)
      waiters.clear()
    },
  })

  return {
    async catchUp() {
      const offset = await log.end()
      if (failure) throw failure.error
      if (offset <= position) return
      await new Promise<void>((resolve, reject) => waiters.add({ offset, resolve, reject }))
    },
    close: () => subscription.unsubscribe(),
  }
}
