import { asyncScheduler, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs'
import type { Covered, Encoded } from './ports.js'
import { stage } from './stage.js'
import { createWatermarks } from './watermarks.js'

export interface CommitOptions {
  /** Resolves when the broker has the offsets. Called again only after it has resolved. */
  readonly committer: (offsets: readonly Covered[]) => Promise<void>
  readonly everyMs: number
  /** With so many records uncommitted it commits before the time, and holds on until that is done. Default: never. */
  readonly maxRecords?: number
  readonly scheduler?: SchedulerLike
}

/**
 * Commits the offsets of what was published: `everyMs` after the first that is not committed yet, and once more at the end, which is awaited
 * before the stream completes. Only what is contiguous is committed, one call at a time, none while there is nothing new. Batches pass on
 * at once, because credit need not wait for a commit, up to `maxRecords`: what is published and not committed stays bounded. A commit that fails errors the stream; what was not committed is then read again.
 *
 * @example
 * published.pipe(commit({ committer: (offsets) => assignment.commit(offsets), everyMs: 200 }))
 */
export function commit({
  committer,
  everyMs,
  maxRecords = Number.POSITIVE_INFINITY,
  scheduler = asyncScheduler,
}: CommitOptions): OperatorFunction<Encoded, Encoded> {
  return stage((downstream) => {
    const watermarks = createWatermarks()
    const held: Encoded[] = []
    /** records that have passed since the last commit that is done began, and how many of them since the one under way */
    let passed = 0
    let passedMeanwhile = 0
    let timer: Subscription | undefined
    let busy = false
    let ended = false

    /** Makes sure that what has grown is committed: now at the end or when it is much, else when its time has come. */
    function plan(): void {
      if (busy || downstream.closed) return
      if (!watermarks.grown) {
        if (ended) downstream.complete()
      } else if (ended || held.length > 0 || passed >= maxRecords) void run()
      else timer ??= scheduler.schedule(() => void run(), everyMs)
    }

    async function run(): Promise<void> {
      busy = true
      timer?.unsubscribe()
      timer = undefined
      passedMeanwhile = 0
      try {
        await committer(watermarks.take())
      } catch (error) {
        downstream.error(error)
      }
      busy = false
      passed = passedMeanwhile
      while (held[0] && hasRoom(held[0])) pass(held.shift()!)
      plan()
    }

    /** One batch that is larger than the whole passes alone. */
    function hasRoom({ records }: Encoded): boolean {
      return passed === 0 || passed + records <= maxRecords
    }

    function pass(encoded: Encoded): void {
      for (const range of encoded.covered) watermarks.cover(range)
      passed += encoded.records
      passedMeanwhile += encoded.records
      downstream.next(encoded)
    }

    return {
      next(encoded) {
        if (held.length === 0 && hasRoom(encoded)) pass(encoded)
        else held.push(encoded)
        plan()
      },
      complete() {
        ended = true
        plan()
      },
      teardown() {
        timer?.unsubscribe()
        held.length = 0
      },
    }
  })
}
