/** What a model costs by batch size, learnt while it scores. */
import type { MeasuredCost } from '../stages/ports.js'
import { between } from './between.js'
import { createRecentTimes, type RecentTimes } from './recent-times.js'

export interface CostRow {
  /** mean over the batches of about this size */
  readonly rows: number
  readonly batches: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface CostProfile {
  record(rows: number, ms: number): void
  /** For any size: between sizes that were measured in proportion, beyond the largest as steeply as before. 0 before the first sample. */
  likelyMs(rows: number): number
  mostMs(rows: number): number
  /** by size, ascending; neither column falls */
  readonly table: readonly CostRow[]
}

interface Bucket {
  readonly times: RecentTimes
  /** when it was measured last */
  at: number
  rows: number
  batches: number
}

/** The table is made anew after so many samples, at first after each. */
const refreshEvery = 16

/** A size that was not measured for so long, while others were, is not believed any more where it says that it costs more than they do. */
const believedMs = 10_000

/**
 * Sizes are told apart by powers of two. `seed`: what was measured before it scored. `now` in milliseconds, of any beginning.
 *
 * A size that costs too much is not chosen, and so never measured again: what is old counts only as far as it speaks for its size.
 */
export function createCostProfile(
  seed: readonly MeasuredCost[] = [],
  now: () => number = () => performance.now(),
): CostProfile {
  const buckets: Bucket[] = []
  let table: readonly CostRow[] = []
  let samples = 0
  let made = 0

  function record(rows: number, ms: number): void {
    const index = Math.ceil(Math.log2(Math.max(rows, 1)))
    let bucket = buckets[index]
    if (!bucket) {
      bucket = { times: createRecentTimes(now), at: 0, rows: 0, batches: 0 }
      buckets[index] = bucket
    }
    bucket.times.add(ms)
    bucket.at = now()
    bucket.rows += rows
    bucket.batches++
    samples++
  }

  function fresh(): readonly CostRow[] {
    if (samples - made < (made < refreshEvery ? 1 : refreshEvery)) return table
    made = samples
    table = tableOf(buckets)
    return table
  }

  for (const { rows, ms } of seed) for (const one of fewOf(ms)) record(rows, one)
  return {
    record,
    likelyMs: (rows) => between(fresh(), rows, 'p50Ms'),
    mostMs: (rows) => between(fresh(), rows, 'p99Ms'),
    get table() {
      return fresh()
    },
  }
}

/** What was measured in quiet counts as few batches: under load they take longer. */
const seedSamples = 20

/** As many that say about the same. */
function fewOf(ms: readonly number[]): readonly number[] {
  if (ms.length <= seedSamples) return ms
  const sorted = ms.toSorted((one, other) => one - other)
  return Array.from({ length: seedSamples }, (_, i) => sorted[Math.floor(((i + 0.5) * ms.length) / seedSamples)]!)
}

function tableOf(all: readonly (Bucket | undefined)[]): CostRow[] {
  const buckets = all.filter((bucket) => bucket !== undefined)
  const believedFrom = Math.max(...buckets.map(({ at }) => at)) - believedMs
  const believed = ascending(buckets.filter(({ at }) => at >= believedFrom).map(rowOf))
  return ascending(
    buckets.map((bucket) => {
      const row = rowOf(bucket)
      if (bucket.at >= believedFrom) return row
      const most = (column: 'p50Ms' | 'p99Ms') => Math.min(row[column], between(believed, row.rows, column))
      return { ...row, p50Ms: most('p50Ms'), p99Ms: most('p99Ms') }
    }),
  )
}

const rowOf = ({ times, rows, batches }: Bucket): CostRow => ({
  rows: rows / batches,
  batches,
  p50Ms: times.quantile(0.5),
  p99Ms: times.mostMs,
})

/** Neither column falls. */
function ascending(rows: readonly CostRow[]): CostRow[] {
  const table: CostRow[] = []
  for (const row of rows) {
    const { p50Ms = 0, p99Ms = 0 } = table.at(-1) ?? {}
    table.push({ ...row, p50Ms: Math.max(row.p50Ms, p50Ms), p99Ms: Math.max(row.p99Ms, p99Ms) })
  }
  return table
}
