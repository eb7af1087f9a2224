import { type ErrorCode, MillraceError } from '../../stages/errors.js'

/** What one check of a bundle found. */
export interface Gate {
  readonly gate: string
  readonly ok: boolean
  /** one line */
  readonly detail: string
  /** why it failed; absent where it passed or could not be tried */
  readonly code?: ErrorCode
  /** figures, by name with unit: `loadMs`, `rssMb` */
  readonly measured?: Readonly<Record<string, number>>
}

/** All that was found out about a bundle, in order. */
export interface GateReport {
  /** name@version; undefined where it could not be read */
  readonly ref: string | undefined
  readonly digest: string | undefined
  /** whether every gate passed */
  readonly ok: boolean
  readonly gates: readonly Gate[]
}

export const reportOf = (bundle: { ref: string; digest: string } | undefined, gates: readonly Gate[]): GateReport => ({
  ref: bundle?.ref,
  digest: bundle?.digest,
  ok: gates.every(({ ok }) => ok),
  gates,
})

export const failedGate = (gate: string, error: unknown): Gate => ({
  gate,
  ok: false,
  detail: (error instanceof MillraceError ? error.detail : String((error as Error)?.message)).replace(/\p{Cc}+/gu, ' '),
  code: error instanceof MillraceError ? error.code : 'internal',
})

/** Why a bundle may not be used: the first gate that failed, as an error. Undefined when all passed. */
export function refusal({ ref, gates }: GateReport): MillraceError | undefined {
  const failed = gates.find(({ ok }) => !ok)
  return (
    failed && new MillraceError(failed.code ?? 'model-unfit', `${ref ?? 'bundle'}: ${failed.gate}: ${failed.detail}`)
  )
}
