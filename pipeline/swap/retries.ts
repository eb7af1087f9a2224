/** Generations that are tried again and again, ever more patiently. */
import { type Backoff, createBackoff } from '../backoff.js'

export interface Retries {
  /** Calls back after a while. Nothing, where that is under way for the generation already. */
  later(generation: number, again: () => void): void
  /** Patience begins anew. */
  reset(): void
  /** Calls nobody back any more; who was waiting is called at once. */
  close(): void
}

export function createRetries(retryMs: number): Retries {
  const waiting = new Set<number>()
  const backoffs = new Map<number, Backoff>()
  const closing = new AbortController()
  return {
    later(generation, again) {
      if (waiting.has(generation) || closing.signal.aborted) return
      const backoff = backoffs.get(generation) ?? createBackoff(retryMs, 10 * retryMs)
      waiting.add(generation)
      backoffs.set(generation, backoff)
      void backoff.wait(closing.signal).then(() => {
        waiting.delete(generation)
        again()
      })
    },
    reset: () => backoffs.clear(),
    close: () => closing.abort(),
  }
}
