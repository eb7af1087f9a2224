import { bisect } from '../../stages/bisect.js'
import type { Outputs, Scorer, ScoringPlan } from '../../stages/ports.js'
import { sliceRows } from '../../stages/slice-rows.js'
import type { Finding } from './gates.js'
import { recordBinder } from './record-rows.js'
import type { ReplayJob, WriterSchema } from './verify-messages.js'
import { readerOf } from './verify-writers.js'

export interface Replayed {
  /** records that the active model scores */
  readonly compared: number
  /** of those, the ones of which the candidate says the same */
  readonly equal: number
  /** of those, the ones that the candidate cannot read or fails on */
  readonly notScored: number
  /** records that the active model does not score either */
  readonly leftOut: number
}

interface Model {
  readonly plan: ScoringPlan
  readonly scorer: Scorer
}

/**
 * Scores records of the input topic with both models. Two answers are equal when the labels are; where a model has none, when the scores
 * are as many and each within the tolerance (absolute, and relative to numbers greater than 1).
 */
export async function replay(
  job: ReplayJob,
  writers: readonly WriterSchema[],
  candidate: Model,
  active: Model,
): Promise<Replayed> {
  const said = await answers(job, writers, active)
  const heard = await answers(job, writers, candidate)
  let [compared, equal, notScored] = [0, 0, 0]
  said.forEach((expected, index) => {
    if (!expected) return
    compared++
    const found = heard[index]
    if (!found) notScored++
    else if (agree(found, expected, job.tolerance)) equal++
  })
  return { compared, equal, notScored, leftOut: said.length - compared }
}

/** `requiredAgreement` is a share, 0 to 1. */
export function replayFinding({ compared, equal, notScored, leftOut }: Replayed, requiredAgreement = 0): Finding {
  const agreement = compared === 0 ? 1 : equal / compared
  const percent = (share: number) => `${Number((share * 100).toFixed(2))} %`
  const detail = [
    compared === 0 ? 'no record to compare' : `agrees on ${percent(agreement)} of ${compared} records`,
    ...(notScored > 0 ? [`${notScored} not scored by this model`] : []),
    ...(leftOut > 0 ? [`${leftOut} left out, which the active model does not score`] : []),
    ...(requiredAgreement > 0 ? [`${percent(requiredAgreement)} required`] : []),
  ].join('; ')
  const measured = { agreement, compared, notScored, leftOut }
  return { detail, measured, ...(agreement < requiredAgreement && { code: 'replay-disagrees' }) }
}

interface Said {
  readonly label: string | null
  readonly scores: Float32Array
}

/** What a model says of each record; undefined where it says nothing. */
async function answers(
  { records }: ReplayJob,
  writers: readonly WriterSchema[],
  { plan, scorer }: Model,
): Promise<(Said | undefined)[]> {
  const bind = recordBinder(plan)
  const readers = new Map(writers.map((writer) => [writer.id, readerIfAny(plan.readerSchema, writer)]))
  const result = new Array<Said | undefined>(records.length)
  const readable: { index: number; record: unknown }[] = []
  records.forEach(({ schemaId, datum }, index) => {
    const read = readers.get(schemaId)
    if (!read) return
    try {
      const record = read(Buffer.from(datum, 'base64'))
      bind([record])
      readable.push({ index, record })
    } catch {
      // What cannot be read is not scored in the stream either.
    }
  })
  const all = bind(readable.map(({ record }) => record))
  for (let from = 0; from < all.count; from += batch) {
    const to = Math.min(from + batch, all.count)
    const { outputs, failed } = await bisect(scorer, sliceRows(all, from, to), () => false)
    for (let row = 0; row < to - from; row++)
      if (!failed.has(row)) result[readable[from + row]!.index] = saidOf(outputs, row)
  }
  return result
}

const batch = 256

/** Undefined when the schemas do not resolve. */
function readerIfAny(readerSchema: unknown, writer: WriterSchema): ReturnType<typeof readerOf> | undefined {
  try {
    return readerOf(readerSchema, writer)
  } catch {
    return undefined
  }
}

function saidOf({ labels, scores, scoresWidth }: Outputs, row: number): Said {
  return { label: labels?.[row] ?? null, scores: scores.slice(row * scoresWidth, (row + 1) * scoresWidth) }
}

function agree(found: Said, expected: Said, tolerance: number): boolean {
  if (found.label !== null && expected.label !== null) return found.label === expected.label
  return (
    found.scores.length === expected.scores.length &&
    found.scores.every((score, i) => near(score, expected.scores[i]!, tolerance))
  )
}

const near = (a: number, b: number, tolerance: number): boolean =>
  Object.is(a, b) || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b))
