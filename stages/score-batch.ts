import { type Bisected, bisect } from './bisect.js'
import { concatRows } from './concat-rows.js'
import { noOutputs } from './merge-outputs.js'
import type { Decoded, Generation, MicroBatch, Rejected, Scored } from './ports.js'
import { sliceOutputs } from './slice-outputs.js'

const nothing: Bisected = { outputs: noOutputs(0), failed: new Map() }

/**
 * Scores a batch with its model. In a canary both models are called once, each for its parts, and the batch comes back in pieces of one model
 * each, in the order of the parts. Rejects as `bisect` does.
 */
export async function scoreBatch(batch: MicroBatch, now: () => number, stopped: () => boolean): Promise<Scored[]> {
  const { parts, closedBy } = batch
  const runs = runsOf(parts)
  const models = new Set(runs.map((run) => run[0]!.generation))
  const answers = new Map<Generation, Bisected>()
  for (const generation of models) {
    const own = models.size === 1 ? parts : parts.filter((part) => part.generation === generation)
    const rows = concatRows(own.map((part) => part.rows))
    answers.set(generation, rows.count === 0 ? nothing : await bisect(generation.scorer, rows, stopped))
  }
  const scoredAt = now()
  if (models.size === 1) {
    const { generation, rows } = batch
    const { outputs, failed } = answers.get(generation)!
    return [{ generation, parts, rows, closedBy, outputs, failed, scoredAt }]
  }
  const taken = new Map<Generation, number>()
  return runs.map((run) => {
    const { generation } = run[0]!
    const rows = run.reduce((sum, part) => sum + part.rows.count, 0)
    const from = taken.get(generation) ?? 0
    taken.set(generation, from + rows)
    const { outputs, failed } = answers.get(generation)!
    // What the call took is said once, with its first piece.
    const spent = from === 0 && outputs.spent ? { spent: outputs.spent } : {}
    const piece = {
      outputs: { ...sliceOutputs(outputs, from, from + rows), ...spent },
      failed: failedWithin(failed, from, from + rows),
    }
    return { generation, parts: run, rows, closedBy, ...piece, scoredAt }
  })
}

/** Consecutive parts of one model. */
function runsOf(parts: readonly Decoded[]): Decoded[][] {
  const runs: Decoded[][] = []
  for (const part of parts) {
    const last = runs[runs.length - 1]
    if (last && last[0]!.generation === part.generation) last.push(part)
    else runs.push([part])
  }
  return runs
}

function failedWithin(failed: ReadonlyMap<number, Rejected>, from: number, to: number): ReadonlyMap<number, Rejected> {
  if (failed.size === 0) return failed
  const within = new Map<number, Rejected>()
  for (const [row, rejected] of failed) if (row >= from && row < to) within.set(row - from, rejected)
  return within
}
