import { MillraceError } from '../../stages/errors.js'
import type { Scorer } from '../../stages/ports.js'
import { type Bundle, readBundle } from './bundle.js'
import { type ListedFile, sha256 } from './bundle-files.js'
import { fitGraphs } from './fit-graphs.js'
import { failedGate, type Gate, startGates } from './gates.js'
import { goldenDifference, goldenRows, parseGolden } from './golden.js'
import { toScoringPlan } from './scoring-plan.js'

/** `checkBundle` of a folder or an archive; a bundle that cannot even be read fails the gate `read`. */
export async function checkPath(path: string, scorerFor: (bundle: Bundle) => Promise<Scorer>): Promise<Gate[]> {
  let bundle: Bundle
  try {
    bundle = await readBundle(path)
  } catch (error) {
    return [failedGate('read', error)]
  }
  const read = { gate: 'read', ok: true, detail: `${bundle.ref}, digest ${bundle.digest}` }
  return [read, ...(await checkBundle(bundle, scorerFor))]
}

/**
 * Puts a bundle through every gate, in order; one that cannot be tried because an earlier one failed says so. Never rejects.
 * The scorer made for it is closed.
 */
export async function checkBundle(bundle: Bundle, scorerFor: (bundle: Bundle) => Promise<Scorer>): Promise<Gate[]> {
  const { gates, pass, skip } = startGates()
  const { manifest } = bundle
  await pass(
    'digests',
    () => verifyDigests(bundle),
    (count) => `${count} files are what the manifest states`,
  )
  await pass(
    'schema',
    () => toScoringPlan(manifest, bundle.plan.readerSchema),
    (plan) =>
      `${plan.inputs.reduce((sum, input) => sum + input.fields.length, 0)} fields fill ${plan.inputs.length} tensors`,
  )
  await pass(
    'graphs',
    () => fitGraphs(bundle),
    (description) => description,
  )
  const scorer = await pass(
    'load',
    () => scorerFor(bundle),
    () => 'the model loads and takes a row',
  )
  if (!scorer) {
    skip('golden', 'the model does not load')
    return [...gates]
  }
  try {
    await pass(
      'golden',
      () => answerGolden(bundle, scorer),
      (count) => `${count} ${count === 1 ? 'case agrees' : 'cases agree'}`,
    )
  } finally {
    await scorer.close().catch(() => undefined)
  }
  return [...gates]
}

export function verifyDigests({ manifest, files }: Bundle): number {
  const names = Object.keys(manifest.files) as ListedFile[]
  for (const name of names) {
    const bytes = files.get(name)
    if (!bytes || sha256(bytes) !== manifest.files[name]) throw new MillraceError('digest-mismatch', name)
  }
  return names.length
}

/** Asks every golden case. Returns how many there are; throws `model-unfit` for an answer that differs, `bundle-invalid` for a bad line. */
export async function answerGolden(bundle: Bundle, scorer: Scorer): Promise<number> {
  const cases = parseGolden(bundle.files.get('golden.jsonl')!)
  if (cases.length === 0) throw new MillraceError('bundle-invalid', 'golden.jsonl has no cases; write at least one')
  for (const golden of cases) {
    const rows = goldenRows(golden, bundle.plan)
    const outputs = await scorer.score(rows).catch((cause: Error) => {
      throw new MillraceError('model-unfit', `golden.jsonl line ${golden.line}: ${cause.message}`, { cause })
    })
    const difference = goldenDifference(golden, outputs)
    if (difference) throw new MillraceError('model-unfit', `golden.jsonl line ${golden.line}: ${difference}`)
  }
  return cases.length
}
