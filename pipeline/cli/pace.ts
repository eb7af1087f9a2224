import { pause } from '../backoff.js'

/**
 * Lets `perSecond` pass in a second, evenly: call it before each. A promise when the next is not due yet; after a hold-up it does not
 * make up for more than a tenth of a second.
 */
export const createPace = (perSecond: number, signal: AbortSignal): (() => Promise<void> | undefined) => {
  const intervalMs = 1000 / perSecond
  const longestArrearsMs = 100
  let due = performance.now()
  return () => {
    const now = performance.now()
    due = Math.max(due + intervalMs, now - longestArrearsMs)
    // A timer is good to a millisecond; what is due before the next tick passes at once.
    return due - now >= 1 ? pause(due - now, signal) : undefined
  }
}
