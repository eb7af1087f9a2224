/** How a bundle is verified before it scores: against what, and when that was done before. */
import type { Generation } from '../stages/ports.js'
import type { Config } from './config.js'
import { type DeadlineSettings, waitsOf } from './config-deadline.js'
import { costSizes } from './deadline-costs.js'
import { fallbackGate } from './fallback-gate.js'
import { type InputSources, otherSchemas, registeredSchemas, replayRecords } from './input-evidence.js'
import { failedGate, type GateReport, reportOf } from './model/gates.js'
import type { LoaderOptions } from './model/loader.js'
import type { TrustedKey } from './model/signature.js'
import type { BundleStore } from './model/store.js'
import { verifiedMarks } from './model/verified-marks.js'
import { type VerifyOptions, verifyBundle, type WriterSchema } from './model/verifier.js'
import { tellOf } from './model/verify-latency.js'

/** The model that scores now. */
export type Incumbent = Pick<Generation, 'model' | 'digest' | 'plan'>

export interface VerificationOptions extends Omit<InputSources, 'topic' | 'timeoutMs'> {
  readonly config: Pick<Config, 'topics' | 'verification' | 'inference' | 'bundles' | DeadlineSettings>
  readonly trustedKeys: readonly TrustedKey[]
  readonly store: Pick<BundleStore, 'find'>
  /** as in `VerifyOptions` */
  readonly latency?: boolean
  readonly latencyMs?: number
  /** of the fallback that is loaded here; by its name where none is */
  readonly fallbackDigest?: string
}

/**
 * What stands before a switch: a bundle is verified in a process of its own, against every version of the input's schema, and replays the
 * newest records beside the incumbent. Three shorten it: a bundle that passed in the same company a while ago, and one that was verified on
 * this machine when nothing scores yet (and no deadline asks how fast it is) or the group has settled on it, are only loaded with care; and of
 * one that is settled it is only asked whether it can run here. What it costs is kept with the mark that it passed: where there is a deadline,
 * that is measured whatever else is left out, unless it is known of all sizes.
 */
export function createVerification(
  options: VerificationOptions,
  incumbent: () => Incumbent | undefined,
): NonNullable<LoaderOptions['verify']> {
  const { config, signal } = options
  const marks = verifiedMarks(config.bundles.directory)
  const passed = createMemory(config.verification.validForMs)
  return async (path, { ref, digest, settled }) => {
    const active = incumbent()
    const mark = await marks.of(digest)
    const latency = config.deadline !== undefined && !tellOf(mark?.costs ?? [], costSizes(config))
    // Whether a deadline can be kept is a question of the deployment, not only of the machine.
    if (mark && !latency && (settled || !(active || config.deadline))) return undefined
    const limits = limitsOf(options)
    const verify = async (): Promise<GateReport | undefined> => {
      if (settled) {
        const quick = latency ? {} : { batchSizes: [1] }
        return withoutBudget(await verifyBundle(path, { ...limits, measureMs: 0, ...quick, latency, signal }))
      }
      const schemas = await registeredSchemas(inputOf(options))
      const company = [digest, active?.digest, ...schemas.map(({ id }) => id)].join(' ')
      if (passed.has(company)) return undefined
      // Where nothing scores yet, records wait: what cannot refuse the bundle is measured briefly.
      const brief = active || config.deadline ? {} : { latencyMs: 0 }
      const asked = { ...options, latency: latency || !mark?.costs || active !== undefined, ...brief }
      const report = await verifyForSwitch(path, asked, schemas, active)
      if (report.ok) passed.add(company)
      return report
    }
    const report = await verify().catch((error) => reportOf({ ref, digest }, [failedGate('input', error)]))
    if (report?.ok) await marks.add(digest, report.costs)
    return report
  }
}

/** The gates of a bundle that takes nobody's place: what it says is compared with nobody. */
export async function verifyAlone(path: string, options: VerificationOptions): Promise<GateReport> {
  const writerSchemas = await registeredSchemas(inputOf(options))
  return verifyBundle(path, { ...limitsOf(options), latency: false, signal: options.signal, writerSchemas })
}

/** With the gate of the fallback, where there is one and the others are open. */
async function withFallback(
  report: GateReport,
  model: string,
  options: VerificationOptions,
  active: Incumbent | undefined,
): Promise<GateReport> {
  const { fallback: ref } = options.config.deadline ?? {}
  if (ref === undefined || !report.ok) return report
  const { path } = await options.store.find(ref, options.fallbackDigest)
  // Where nothing scores yet it was tried a moment ago.
  const verify = active && ((fallback: string) => verifyAlone(fallback, options))
  const gate = await fallbackGate({ model, fallback: { ref, path }, ...(verify && { verify }) })
  return { ...report, ok: gate.ok, gates: [...report.gates, gate] }
}

/** Everything that stands before a switch. Rejects when the input cannot be read. */
export async function verifyForSwitch(
  path: string,
  options: VerificationOptions,
  schemas: readonly WriterSchema[],
  active: Incumbent | undefined,
): Promise<GateReport> {
  const { replayRecords: count, requiredAgreement } = options.config.verification
  const there =
    active && count > 0 ? await options.store.find(active.model, active.digest).catch(() => undefined) : undefined
  const records = active && there ? await replayRecords(inputOf(options), active.plan, count) : []
  const report = await verifyBundle(path, {
    ...limitsOf(options),
    latency: options.latency,
    latencyMs: options.latencyMs,
    signal: options.signal,
    writerSchemas: [...schemas, ...(await otherSchemas(records, schemas, options.registry))],
    ...(there && {
      replay: { activePath: there.path, records, ...(requiredAgreement !== null && { requiredAgreement }) },
    }),
  })
  return withFallback(report, path, options, active)
}

const inputOf = ({ config, kafka, registry, signal }: VerificationOptions): InputSources => ({
  kafka,
  registry,
  topic: config.topics.input,
  timeoutMs: 10_000,
  signal,
})

/** How bundles are verified by the settings of a deployment. */
export const limitsOf = ({
  config,
  trustedKeys,
}: Pick<VerificationOptions, 'config' | 'trustedKeys'>): VerifyOptions => {
  const { timeoutMs, memoryMb, measureMs } = config.verification
  const { deadline } = config
  const batchSizes = deadline ? costSizes(config) : config.verification.batchSizes
  return {
    timeoutMs,
    memoryMb,
    batchSizes,
    measureMs,
    trustedKeys,
    intraOpThreads: config.inference.intraOpThreads,
    ...(deadline && { deadline: { ms: deadline.ms, waits: waitsOf(config) } }),
  }
}

/** Whoever would not use what everybody else uses would only split the group. */
const withoutBudget = ({ ref, digest, gates, costs }: GateReport): GateReport => ({
  ...reportOf(
    ref === undefined || digest === undefined ? undefined : { ref, digest },
    gates.filter(({ gate }) => gate !== 'budget' && gate !== 'deadline'),
  ),
  ...(costs && { costs }),
})

const mostRemembered = 1_000

/** Remembers for a while, the newest thousand. */
function createMemory(forMs: number) {
  const until = new Map<string, number>()
  return {
    has: (key: string) => (until.get(key) ?? 0) > performance.now(),
    add(key: string) {
      until.set(key, performance.now() + forMs)
      if (until.size > mostRemembered) until.delete(until.keys().next().value as string)
    },
  }
}
