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
  rows: number
  batches: number
}

/** The table is made anew after so many samples, at first after each. */
const refreshEvery = 16

/** Sizes are told apart by powers of two. `seed`: what was measured before it scored. */
export function createCostProfile(seed: readonly MeasuredCost[] = []): CostProfile {
  const buckets: Bucket[] = []
  let table: readonly CostRow[] = []
  let samples = 0
  let made = 0

  function record(rows: number, ms: number): void {
    const index = Math.ceil(Math.log2(Math.max(rows, 1)))
    let bucket = buckets[index]
    if (!bucket) {
      bucket = { times: createRecentTimes(), rows: 0, batches: 0 }
      buckets[index] = bucket
    }
    bucket.times.add(ms)
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

  for (const { rows, ms } of seed) for (const one of ms) record(rows, one)
  return {
    record,
    likelyMs: (rows) => between(fresh(), rows, 'p50Ms'),
    mostMs: (rows) => between(fresh(), rows, 'p99Ms'),
    get table() {
      return fresh()
    },
  }
}

function tableOf(buckets: readonly (Bucket | undefined)[]): CostRow[] {
  const table: CostRow[] = []
  for (const bucket of buckets) {
    if (!bucket) continue
    const before = table.at(-1)
    const { times, batches } = bucket
    table.push({
      rows: bucket.rows / batches,
      batches,
      p50Ms: Math.max(times.quantile(0.5), before?.p50Ms ?? 0),
      p99Ms: Math.max(times.quantile(0.99), before?.p99Ms ?? 0),
    })
  }
  return table
}
