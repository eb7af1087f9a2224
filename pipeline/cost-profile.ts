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

/** The table is made anew after so many samples or so long, at first after each. */
const refreshEvery = 16
const refreshMs = 100

/** A size that was not measured for so long, while others were, is not believed any more where it says that it costs more than they do. */
const believedMs = 10_000

/**
 * `seed`: what was measured when it was verified; it counts for sizes of which nothing newer is known, as much slower as the others have become. `now`
 * in milliseconds, of any beginning.
 *
 * A size that costs too much is not chosen, and so never measured again: what is old counts only as far as it speaks for its size.
 */
export function createCostProfile(
  seed: readonly MeasuredCost[] = [],
  now: () => number = () => performance.now(),
): CostProfile {
  const buckets: Bucket[] = []
  const seeded = ascending(
    seed
      .map(({ rows, runs, p50Ms, p99Ms }) => ({ rows, batches: runs, p50Ms, p99Ms }))
      .sort((one, other) => one.rows - other.rows),
  )
  let table: readonly CostRow[] = seeded
  let samples = 0
  let made = 0
  let madeAt = 0

  function record(rows: number, ms: number): void {
    const index = bucketOf(rows)
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
    if (samples === made) return table
    if (made >= refreshEvery && samples - made < refreshEvery && now() - madeAt < refreshMs) return table
    made = samples
    madeAt = now()
    table = tableOf(buckets, seeded)
    return table
  }

  return {
    record,
    likelyMs: (rows) => between(fresh(), rows, 'p50Ms'),
    mostMs: (rows) => between(fresh(), rows, 'p99Ms'),
    get table() {
      return fresh()
    },
  }
}

function tableOf(all: readonly (Bucket | undefined)[], seeded: readonly CostRow[]): CostRow[] {
  const buckets = all.filter((bucket) => bucket !== undefined)
  const believedFrom = Math.max(...buckets.map(({ at }) => at)) - believedMs
  const believed = ascending(buckets.filter(({ at }) => at >= believedFrom).map(rowOf))
  /** No more than those that are believed say of such a size. */
  const atMost = (row: CostRow, times = 1): CostRow => {
    const most = (column: 'p50Ms' | 'p99Ms') => Math.min(times * row[column], between(believed, row.rows, column))
    return { ...row, p50Ms: most('p50Ms'), p99Ms: most('p99Ms') }
  }
  const measured = buckets.map((bucket) => (bucket.at >= believedFrom ? rowOf(bucket) : atMost(rowOf(bucket))))
  const slower = slowdown(believed, seeded)
  const others = seeded.filter(({ rows }) => !all[bucketOf(rows)]).map((row) => atMost(row, slower))
  return ascending([...measured, ...others].sort((one, other) => one.rows - other.rows))
}

/** By how much slower a batch is under load than it was in quiet, for sizes that can be compared. */
function slowdown(believed: readonly CostRow[], seeded: readonly CostRow[]): number {
  const [least, most] = [seeded[0]?.rows ?? 0, seeded.at(-1)?.rows ?? 0]
  const known = believed.filter(({ rows }) => rows >= least && rows <= most)
  if (known.length === 0) return 1
  const ratios = known.map(({ rows, p50Ms }) => p50Ms / Math.max(between(seeded, rows, 'p50Ms'), 1e-3))
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
}

/** Sizes are told apart by powers of two. */
const bucketOf = (rows: number): number => Math.ceil(Math.log2(Math.max(rows, 1)))

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
