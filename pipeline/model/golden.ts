import { z } from 'zod'
import { MillraceError } from '../../stages/errors.js'
import type { Outputs, Rows, ScoringPlan } from '../../stages/ports.js'
import { recordBinder } from './record-rows.js'
import { readerType } from './scoring-plan.js'

const golden = z.strictObject({
  record: z.unknown().refine((record) => record !== undefined, 'missing'),
  expect: z.strictObject({
    label: z.string().nullable().optional(),
    scores: z.array(z.number()).optional(),
    values: z.record(z.string(), z.array(z.number())).optional(),
  }),
  tolerance: z.number().min(0).default(1e-5),
})

/** One line of `golden.jsonl`: a record in Avro JSON and what the model is expected to say of it. */
export interface GoldenCase {
  /** in the file, from 1 */
  readonly line: number
  readonly record: unknown
  readonly expect: {
    readonly label?: string | null
    readonly scores?: readonly number[]
    readonly values?: Readonly<Record<string, readonly number[]>>
  }
  /** absolute, and relative to the number expected where that is greater than 1 */
  readonly tolerance: number
}

/** Reads `golden.jsonl`; empty lines are skipped. Throws `bundle-invalid`, naming the line. */
export function parseGolden(bytes: Uint8Array): GoldenCase[] {
  const lines = new TextDecoder('utf-8').decode(bytes).split('\n')
  return lines.flatMap((text, index): GoldenCase[] => {
    if (text.trim() === '') return []
    const line = index + 1
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch (cause) {
      throw new MillraceError('bundle-invalid', `golden.jsonl line ${line}: not JSON`, { cause })
    }
    const result = golden.safeParse(json)
    if (result.success) return [{ line, ...result.data }]
    const [issue] = result.error.issues
    const what = `${issue?.path.join('.') || 'case'}: ${issue?.message ?? 'not a case'}`
    throw new MillraceError('bundle-invalid', `golden.jsonl line ${line}: ${what.replace(/\p{Cc}+/gu, ' ')}`)
  })
}

/** The rows of one golden case. Throws `bundle-invalid`, naming the line. */
export function goldenRows(golden: GoldenCase, plan: ScoringPlan): Rows {
  try {
    return recordBinder(plan)([readerType(plan.readerSchema).fromString(JSON.stringify(golden.record))])
  } catch (cause) {
    const what = cause instanceof MillraceError ? cause.detail : (cause as Error).message
    throw new MillraceError('bundle-invalid', `golden.jsonl line ${golden.line}: ${what.replace(/\p{Cc}+/gu, ' ')}`, {
      cause,
    })
  }
}

/** What is wrong with the answer to a golden case (one row), in one line; undefined when it agrees. */
export function goldenDifference({ expect, tolerance }: GoldenCase, outputs: Outputs): string | undefined {
  const label = outputs.labels?.[0] ?? null
  if (expect.label !== undefined && expect.label !== label)
    return `label ${JSON.stringify(label)}, expected ${JSON.stringify(expect.label)}`
  const differing = (name: string, found: ArrayLike<number>, wanted: readonly number[]): string | undefined => {
    if (found.length !== wanted.length) return `${name} has ${found.length} numbers, expected ${wanted.length}`
    const at = wanted.findIndex(
      (number, i) => !(Math.abs(found[i]! - number) <= tolerance * Math.max(1, Math.abs(number))),
    )
    return at < 0 ? undefined : `${name}[${at}] is ${found[at]}, expected ${wanted[at]} ± ${tolerance}`
  }
  const scores = expect.scores && differing('scores', outputs.scores, expect.scores)
  if (scores) return scores
  for (const [name, wanted] of Object.entries(expect.values ?? {})) {
    const value = outputs.values.get(name)
    const difference = value ? differing(name, value.data, wanted) : `there is no value ${JSON.stringify(name)}`
    if (difference) return difference
  }
  return undefined
}
