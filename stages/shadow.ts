import type { MonoTypeOperatorFunction } from 'rxjs'
import { bisect } from './bisect.js'
import { comparePart } from './compare-part.js'
import { concatRows } from './concat-rows.js'
import type { Leases } from './leases.js'
import type { Generation, RecordDecoder, Scored, ShadowComparison } from './ports.js'
import { sliceOutputs } from './slice-outputs.js'
import { stage } from './stage.js'

export interface ShadowOptions {
  readonly decoder: RecordDecoder
  readonly leases: Leases
  /** batches being compared at once; more than that pass uncompared */
  readonly concurrency: number
  readonly onCompared: (comparison: ShadowComparison) => void
  /** this many records passed uncompared: too many were under way, a fallback answered, or the comparison failed */
  readonly onSkipped: (records: number) => void
}

/**
 * Lets the second model of a shadow score what the first has scored, beside the stream: batches pass at once and unchanged, and nothing that
 * goes wrong with the candidate touches them. Bounded: a candidate that cannot keep up is shown only part of the batches.
 *
 * @example
 * scored.pipe(shadow({ decoder, leases, concurrency: 2, onCompared, onSkipped }))
 */
export function shadow(options: ShadowOptions): MonoTypeOperatorFunction<Scored> {
  const { decoder, leases, concurrency, onCompared, onSkipped } = options
  return stage((downstream) => {
    let running = 0

    async function compare(scored: Scored, candidate: Generation): Promise<ShadowComparison> {
      const decoded = []
      for (const part of scored.parts) decoded.push(await decoder.decode(part.records, candidate.plan))
      const rows = concatRows(decoded.map((one) => one.rows))
      const said = rows.count > 0 ? await bisect(candidate.scorer, rows, () => downstream.closed) : undefined
      const pairs = []
      let failed = 0
      let [activeRow, candidateRow] = [0, 0]
      for (const [index, part] of scored.parts.entries()) {
        const { rows: own, rejected } = decoded[index]!
        const outputs = said && sliceOutputs(said.outputs, candidateRow, candidateRow + own.count)
        const isFailed = (row: number) => said?.failed.has(candidateRow + row) ?? true
        const compared = comparePart(scored, part, activeRow, { rejected, outputs, isFailed })
        pairs.push(...compared.pairs)
        failed += compared.failed
        activeRow += part.rows.count
        candidateRow += own.count
      }
      return { topic: scored.parts[0]!.topic, active: scored.generation, candidate, pairs, failed }
    }

    async function run(scored: Scored, candidate: Generation): Promise<void> {
      running++
      leases.retain(candidate)
      try {
        onCompared(await compare(scored, candidate))
      } catch {
        onSkipped(scored.rows)
      }
      leases.release(candidate)
      running--
    }

    return {
      next(scored) {
        const { generation, rows } = scored
        const { shadow: candidate } = generation.standsInFor ?? generation
        if (candidate && rows > 0) {
          // What a fallback has answered is no opinion of the model that the candidate is compared with.
          if (running < concurrency && !generation.standsInFor) void run(scored, candidate)
          else onSkipped(rows)
        }
        downstream.next(scored)
      },
      complete: () => downstream.complete(),
    }
  })
}
