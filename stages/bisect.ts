import { mergeOutputs, type Piece } from './merge-outputs.js'
import { InferenceError, type Outputs, type Rejected, type Rows, type Scorer } from './ports.js'
import { sliceRows } from './slice-rows.js'

export interface Bisected {
  readonly outputs: Outputs
  /** by row */
  readonly failed: ReadonlyMap<number, Rejected>
}

const nothingFailed: ReadonlyMap<number, Rejected> = new Map()

/**
 * Scores rows; where the model fails on them (`InferenceError`), halves them until the rows at fault stand alone. One call when all is
 * well, at most `2k·log2(n) + 1` for k poison rows among n. Rejects with whatever else the scorer rejects with, and when its outputs do not
 * fit the rows. Stops halving, with a rejection, once `stopped()`.
 */
export async function bisect(scorer: Scorer, rows: Rows, stopped: () => boolean): Promise<Bisected> {
  const pieces: Piece[] = []
  const failed = new Map<number, Rejected>()

  async function scoreRange(from: number, to: number): Promise<void> {
    try {
      const outputs = await scorer.score(sliceRows(rows, from, to))
      if (outputs.count !== to - from) throw new Error(`the model gave ${outputs.count} outputs for ${to - from} rows`)
      pieces.push({ first: from, outputs })
      return
    } catch (error) {
      if (!(error instanceof InferenceError) || stopped()) throw error
      if (to - from === 1) {
        failed.set(from, { code: 'inference-failed', reason: error.message })
        return
      }
    }
    const middle = (from + to) >>> 1
    await scoreRange(from, middle)
    await scoreRange(middle, to)
  }

  await scoreRange(0, rows.count)
  if (failed.size === 0 && pieces.length === 1) return { outputs: pieces[0]!.outputs, failed: nothingFailed }
  return { outputs: mergeOutputs(rows.count, pieces), failed }
}
