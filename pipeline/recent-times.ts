/** How long something took of late: quantiles over the newest samples, in memory that does not grow. */
import { build, type Histogram } from 'hdr-histogram-js'

/** A window is full with so many samples; quantiles are over this one and the one before. */
const windowSamples = 500
/** … or after so long: what took long then says little of now. */
const windowMs = 10_000
const longestMs = 600_000

export interface RecentTimes {
  add(ms: number): void
  /** Milliseconds that a share of the samples keeps below; 0 without samples. */
  quantile(share: number): number
  /** What 99 of 100 samples keep below; of few, all but the longest: that may have been an accident. 0 without samples. */
  readonly mostMs: number
  readonly count: number
}

/** `now` in milliseconds, of any beginning. */
export function createRecentTimes(now: () => number = () => performance.now()): RecentTimes {
  let before: Histogram | undefined
  let current = emptyHistogram()
  let since = now()

  function turnOver(): void {
    if (current.totalCount === 0 || (current.totalCount < windowSamples && now() - since < windowMs)) return
    before = current
    current = emptyHistogram()
    since = now()
  }

  function quantile(share: number): number {
    if (!before) return current.getValueAtPercentile(100 * share) / 1_000
    const both = emptyHistogram()
    both.add(before)
    both.add(current)
    return both.getValueAtPercentile(100 * share) / 1_000
  }

  const count = () => (before?.totalCount ?? 0) + current.totalCount

  return {
    add(ms) {
      turnOver()
      current.recordValue(Math.round(Math.min(Math.max(ms, 0), longestMs) * 1_000))
    },
    quantile,
    get mostMs() {
      return quantile(Math.min(0.99, Math.max(0.5, 1 - 1.5 / count())))
    },
    get count() {
      return count()
    },
  }
}

/** Of microseconds, to a hundredth. */
const emptyHistogram = (): Histogram =>
  build({
    bitBucketSize: 32,
    numberOfSignificantValueDigits: 2,
    lowestDiscernibleValue: 1,
    highestTrackableValue: longestMs * 1_000,
  })
