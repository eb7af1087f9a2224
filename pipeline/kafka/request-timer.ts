/**
 * kafkajs re-arms a timer on every connection with a delay that lies in the past: a timer that fires each millisecond for as long as the
 * connection is idle, and a TimeoutNegativeWarning on Node 24. With nothing pending there is nothing to check: `push` arms it again.
 */
import { patchOnce } from './internals.js'

interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
}

/** how often a full queue is looked at, as kafkajs has it */
const pendingIntervalMs = 10

/** Idempotent; does nothing on a release of kafkajs that is not known. */
export const installRequestTimer = patchOnce<{ prototype: RequestQueue }>('network/requestQueue', ({ prototype }) => {
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return
    const throttledMs = this.throttledUntil - Date.now()
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null
        this.checkPendingRequests()
      },
      throttledMs > 0 ? throttledMs : pendingIntervalMs,
    )
  }
})
