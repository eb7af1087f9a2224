import type { Decoded, Outputs, Rejected, Scored, ShadowPair } from './ports.js'

/** What the candidate said of the records of one part. */
export interface CandidateAnswer {
  /** by index into the records: what it could not decode */
  readonly rejected: ReadonlyMap<number, Rejected>
  /** of the rows that it could decode; undefined when there are none */
  readonly outputs: Outputs | undefined
  /** by row: what it could not score */
  readonly isFailed: (row: number) => boolean
}

/** Scores without labels agree within this. */
const tolerance = 0.01

/** Pairs what both models said, record by record; `firstRow` is the part's first in `scored.outputs`. */
export function comparePart(
  scored: Scored,
  part: Decoded,
  firstRow: number,
  candidate: CandidateAnswer,
): { readonly pairs: readonly ShadowPair[]; readonly failed: number } {
  const pairs: ShadowPair[] = []
  let failed = 0
  let row = firstRow
  let candidateRow = 0
  for (const [index, { offset }] of part.records.entries()) {
    const activeScored = !part.rejected.has(index) && !scored.failed.has(row)
    const decoded = !candidate.rejected.has(index)
    if (activeScored) {
      if (decoded && candidate.outputs && !candidate.isFailed(candidateRow))
        pairs.push(pair(part.partition, offset, scored.outputs, row, candidate.outputs, candidateRow))
      else failed++
    }
    if (!part.rejected.has(index)) row++
    if (decoded) candidateRow++
  }
  return { pairs, failed }
}

function pair(
  partition: number,
  offset: number,
  one: Outputs,
  row: number,
  other: Outputs,
  otherRow: number,
): ShadowPair {
  const label = one.labels?.[row] ?? null
  const candidateLabel = other.labels?.[otherRow] ?? null
  const distance = scoreDistance(one, row, other, otherRow)
  const agree = label === null && candidateLabel === null ? distance <= tolerance : label === candidateLabel
  return { partition, offset, label, candidateLabel, agree, distance }
}

function scoreDistance(one: Outputs, row: number, other: Outputs, otherRow: number): number {
  const { scoresWidth: width } = one
  if (width !== other.scoresWidth) return Number.NaN
  let largest = 0
  for (let i = 0; i < width; i++)
    largest = Math.max(largest, Math.abs(one.scores[row * width + i]! - other.scores[otherRow * width + i]!))
  return largest
}
