/** What the pipe costs, as its deadlines need to know it: each generation's model by batch size, and what follows. */
import type { BatchCosts } from '../stages/batch-size.js'
import type { Decoded, Generation, MicroBatch } from '../stages/ports.js'
import type { Config } from './config.js'
import { type CostProfile, type CostRow, createCostProfile } from './cost-profile.js'
import { observing, type PipeObserver } from './pipe-observer.js'
import { createRecentTimes } from './recent-times.js'

export interface GenerationCosts {
  readonly generation: number
  /** name@version */
  readonly model: string
  readonly table: readonly CostRow[]
}

export interface DeadlineCosts {
  of(generation: Generation): BatchCosts
  /** A batch has left the model. */
  done(batch: MicroBatch): void
  /** Sees when batches come to the model, and when what was made of them is acknowledged. */
  readonly observer: PipeObserver
  /** the newest generations, the newest last */
  readonly all: readonly GenerationCosts[]
}

/** Of generations that came before these nothing is asked any more. */
const kept = 4

/** The batch sizes of which it is measured what they cost before a model scores: up to the largest that there will be. */
export const costSizes = ({ batch, verification }: Pick<Config, 'batch' | 'verification'>): number[] => {
  const smaller = new Set(verification.batchSizes.filter((size) => size < batch.maxRecords))
  return [...smaller, batch.maxRecords].sort((one, other) => one - other)
}

/** One per worker: what was learnt outlives an assignment. `now` in milliseconds, of any beginning. */
export function createDeadlineCosts(now: () => number = () => performance.now()): DeadlineCosts {
  const byGeneration = new Map<number, { model: string; profile: CostProfile; costs: BatchCosts }>()
  const after = createRecentTimes(now)
  const handedOut = new WeakMap<MicroBatch, number>()
  const scoredAt = new WeakMap<readonly Decoded[], number>()
  let lastDone = 0
  let afterMs = 0
  let likelyAfterMs = 0
  let acknowledged = 0

  function entryOf(generation: Generation) {
    const { number, model, costs: seed } = generation
    let entry = byGeneration.get(number)
    if (!entry) {
      const profile = createCostProfile(seed, now)
      const { likelyMs, mostMs } = profile
      const costs: BatchCosts = {
        likelyMs,
        mostMs,
        get afterMs() {
          return afterMs
        },
        get likelyAfterMs() {
          return likelyAfterMs
        },
      }
      entry = { model, profile, costs }
      byGeneration.set(number, entry)
      if (byGeneration.size > kept) byGeneration.delete(byGeneration.keys().next().value as number)
    }
    return entry
  }

  return {
    of: (generation) => entryOf(generation).costs,
    done(batch) {
      const at = now()
      const began = Math.max(handedOut.get(batch) ?? at, lastDone)
      lastDone = at
      entryOf(batch.generation).profile.record(batch.rows, at - began)
    },
    observer: observing({
      batched: (batch) => void handedOut.set(batch, now()),
      scored: ({ parts }) => void scoredAt.set(parts, now()),
      published({ batch: { parts } }) {
        const since = scoredAt.get(parts)
        if (since === undefined) return
        after.add(now() - since)
        if (acknowledged++ % 16 > 0) return
        afterMs = after.mostMs
        likelyAfterMs = after.quantile(0.5)
      },
    }),
    get all() {
      return [...byGeneration].map(([generation, { model, profile }]) => ({ generation, model, table: profile.table }))
    },
  }
}
