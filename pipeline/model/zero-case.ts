import type avro from 'avsc'
import type { Outputs, Scorer } from '../../stages/ports.js'
import type { Bundle } from './bundle.js'
import { goldenRows } from './golden.js'
import { readerType } from './scoring-plan.js'

/** A line for `golden.jsonl`: a record of zeros and empty strings, and what the model says of it today. */
export async function zeroCase(
  bundle: Bundle,
  scorerFor: (bundle: Bundle) => Promise<Scorer>,
): Promise<{ readonly line?: string; readonly note: string }> {
  let scorer: Scorer | undefined
  try {
    const record = zeroRecord(bundle)
    const tolerance = 1e-5
    const rows = goldenRows({ line: 1, record, expect: {}, tolerance }, bundle.plan)
    scorer = await scorerFor(bundle)
    const line = `${JSON.stringify({ record, expect: expectation(await scorer.score(rows)), tolerance })}\n`
    return { line, note: 'golden.jsonl holds one record of zeros with the answer of the model now; add real ones' }
  } catch (error) {
    return { note: `golden.jsonl is empty, for the model does not take a record of zeros: ${(error as Error).message}` }
  } finally {
    await scorer?.close()
  }
}

/** What a golden case expects: all that the model said of one row. JSON has no NaN, so numbers with one are left out. */
export function expectation({ labels, scores, values }: Outputs): Record<string, unknown> {
  const finite = (numbers: Float32Array) => numbers.every(Number.isFinite)
  const named = [...values].flatMap(([name, { data }]) => (finite(data) ? [[name, [...data]] as const] : []))
  return {
    ...(labels && { label: labels[0] }),
    ...(scores.length > 0 && finite(scores) && { scores: [...scores] }),
    ...(named.length > 0 && { values: Object.fromEntries(named) }),
  }
}

// The schema is the one that `initBundle` has just made: scalars and arrays of scalars.
function zeroRecord({ plan }: Bundle): Record<string, unknown> {
  const widths = new Map(plan.inputs.flatMap(({ fields }) => fields.map(({ field, width }) => [field, width] as const)))
  return Object.fromEntries(
    readerType(plan.readerSchema).fields.map(({ name, type }) => {
      if (type.typeName !== 'array') return [name, zero(type)]
      const { itemsType } = type as avro.types.ArrayType
      return [name, new Array(widths.get(name) ?? 0).fill(zero(itemsType))]
    }),
  )
}

function zero(type: avro.Type): number | string | boolean {
  if (type.typeName === 'string') return ''
  return type.typeName === 'boolean' ? false : 0
}
