import { type ErrorCode, MillraceError } from '../../stages/errors.js'
import type { MeasuredCost } from '../../stages/ports.js'

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
  /** what it costs by batch size, where that was measured */
  readonly costs?: readonly MeasuredCost[]
}

export const reportOf = (bundle: { ref: string; digest: string } | undefined, gates: readonly Gate[]): GateReport => ({
  ref: bundle?.ref,
  digest: bundle?.digest,
  ok: gates.every(({ ok }) => ok),
  gates,
})

/** Tries gates one after the other; `begin` and `end` are told of each. */
export interface GateRun {
  readonly gates: readonly Gate[]
  /** What `run` returns; undefined when it threw, which fails the gate. `said` gives the line, or more; with a `code` the gate fails. */
  pass<T>(gate: string, run: () => T | Promise<T>, said: (result: T) => string | Finding): Promise<T | undefined>
  /** Fails a gate that cannot be tried because of an earlier one. */
  skip(gate: string, why: string): void
}

export type Finding = Pick<Gate, 'detail' | 'measured' | 'code'>

export interface GateListener {
  begin(gate: string): void
  end(gate: Gate): void
}

export function startGates(listener?: GateListener): GateRun {
  const gates: Gate[] = []
  const add = (gate: Gate) => {
    gates.push(gate)
    listener?.end(gate)
  }
  return {
    gates,
    async pass(gate, run, said) {
      listener?.begin(gate)
      try {
        const result = await run()
        const line = said(result)
        const finding = typeof line === 'string' ? { detail: line } : line
        add({ gate, ok: finding.code === undefined, ...finding })
        return result
      } catch (error) {
        add(failedGate(gate, error))
        return undefined
      }
    },
    skip: (gate, why) => add({ gate, ok: false, detail: `not tried: ${why}` }),
  }
}

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

const telling: ReadonlySet<string> = new Set([
  'signature',
  'writers',
  'golden',
  'replay',
  'latency',
  'deadline',
  'budget',
  'limits',
  'fallback',
])

/** What a verification found out, in one line: the gates that say more than that they passed. */
export const findingsOf = ({ gates }: GateReport): string =>
  gates
    .filter(({ gate }) => telling.has(gate))
    .map(({ gate, detail }) => `${gate}: ${detail}`)
    .join('; ')
