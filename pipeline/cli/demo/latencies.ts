/** Latencies in milliseconds: of the last moments, and of all. */

export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

export interface Latencies {
  add(ms: number): void
  /** of the newest thousand; undefined before the first */
  readonly recent: Percentiles | undefined
  /** exact to a millisecond; what took longer than ten seconds counts as ten */
  readonly all: Percentiles | undefined
}

const kept = 1_000
const longestMs = 10_000

export const createLatencies = (): Latencies => {
  const newest = new Float64Array(kept)
  const histogram = new Uint32Array(longestMs + 1)
  let total = 0

  const overall = (share: number): number => {
    let left = Math.ceil(total * share)
    const ms = histogram.findIndex((count) => {
      left -= count
      return left <= 0
    })
    return Math.max(0, ms)
  }

  return {
    add(ms) {
      newest[total % kept] = ms
      histogram[Math.min(longestMs, Math.max(0, Math.round(ms)))]! += 1
      total += 1
    },
    get recent() {
      if (total === 0) return undefined
      const sorted = newest.slice(0, Math.min(total, kept)).sort()
      const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!
      return { p50: at(0.5), p99: at(0.99) }
    },
    get all() {
      return total === 0 ? undefined : { p50: overall(0.5), p99: overall(0.99) }
    },
  }
}
