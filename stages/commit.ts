import { asyncScheduler, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs'
import type { Covered, Encoded } from './ports.js'
import { stage } from './stage.js'
import { createWatermarks } from './watermarks.js'

export interface CommitOptions {
  /** Resolves when the broker has the offsets. Called again only after it has resolved. */
  readonly committer: (offsets: readonly Covered[]) => Promise<void>
  readonly everyMs: number
  readonly scheduler?: SchedulerLike
}

/**
 * Commits the offsets of what was published: `everyMs` after the first that is not committed yet, and once more at the end, which is awaited
 * before the stream completes. Only what is contiguous is committed, one call at a time, none while there is nothing new. Batches pass on
 * at once: credit need not wait for a commit. A commit that fails errors the stream; what was not committed is then read again.
 *
 * @example
 * published.pipe(commit({ committer: (offsets) => assignment.commit(offsets), everyMs: 200 }))
 */
export function commit({
  committer,
  everyMs,
  scheduler = asyncScheduler,
}: CommitOptions): OperatorFunction<Encoded, Encoded> {
  return stage((downstream) => {
    const watermarks = createWatermarks()
    let timer: Subscription | undefined
    let busy = false
    let ended = false

    /** Makes sure that what has grown is committed: now at the end, else when its time has come. */
    function plan(): void {
      if (busy || downstream.closed) return
      if (!watermarks.grown) {
        if (ended) downstream.complete()
      } else if (ended) void run()
      else timer ??= scheduler.schedule(() => void run(), everyMs)
    }

    async function run(): Promise<void> {
      busy = true
      timer?.unsubscribe()
      timer = undefined
      try {
        await committer(watermarks.take())
      } catch (error) {
        downstream.error(error)
      }
      busy = false
      plan()
    }

    return {
      next(encoded) {
        for (const range of encoded.covered) watermarks.cover(range)
        plan()
        downstream.next(encoded)
      },
      complete() {
        ended = true
        plan()
      },
      teardown() {
        timer?.unsubscribe()
      },
    }
  })
}
