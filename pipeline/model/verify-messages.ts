/** What the verifier and its child process say to each other: one job there, then what happens gate by gate. JSON, so that neither trusts. */
import { z } from 'zod'
import { type ErrorCode, errors } from '../../stages/errors.js'
import type { MeasuredCost } from '../../stages/ports.js'
import type { Gate } from './gates.js'
import type { TrustedKey } from './keys.js'
import { measuredCosts } from './measured-costs.js'
import type { DeadlineJob } from './verify-deadline.js'

/** A schema with which records of the input topic were written: one version of its subject. */
export interface WriterSchema {
  /** as in the records */
  readonly id: number
  /** in the subject; left out for one that is not registered there */
  readonly version?: number
  /** Avro, as parsed JSON, references resolved */
  readonly schema: unknown
}

export interface VerifyJob {
  /** a folder or a `.tar.gz` */
  readonly path: string
  readonly trustedKeys: readonly TrustedKey[]
  readonly writerSchemas: readonly WriterSchema[]
  readonly replay?: ReplayJob
  readonly intraOpThreads: number
  readonly batchSizes: readonly number[]
  /** how long what has a budget or a deadline is measured */
  readonly measureMs: number
  /** whether to measure batch sizes for whoever reads the report, and how long each */
  readonly latency: boolean
  readonly latencyMs: number
  readonly deadline?: DeadlineJob
}

export interface ReplayJob {
  /** path of the bundle that scores now */
  readonly active: string
  /** `datum` in base64 */
  readonly records: readonly { readonly schemaId: number; readonly datum: string }[]
  readonly requiredAgreement?: number
  readonly tolerance: number
}

/** `workerData` of the thread in the child process. */
export interface VerifyWork {
  readonly job: VerifyJob
  /** counts, in shared memory, the messages that have gone to the parent */
  readonly forwarded: Int32Array
}

export type FromVerifier =
  | { readonly kind: 'read'; readonly ref: string; readonly digest: string }
  | { readonly kind: 'begin'; readonly gate: string }
  | { readonly kind: 'end'; readonly gate: Gate }
  | { readonly kind: 'costs'; readonly costs: readonly MeasuredCost[] }
  | { readonly kind: 'done' }

const text = (max: number) => z.string().transform((long) => long.slice(0, max))
const code = z.custom<ErrorCode>((value) => typeof value === 'string' && Object.hasOwn(errors, value)).catch('internal')
const gate = z.object({
  gate: text(100),
  ok: z.boolean(),
  detail: text(2000),
  code: code.optional(),
  measured: z.record(z.string(), z.number()).optional(),
})

/** A process in which a foreign model ran may say anything. */
export const fromVerifier: z.ZodType<FromVerifier> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('read'), ref: text(300), digest: text(64) }),
  z.object({ kind: z.literal('begin'), gate: text(100) }),
  z.object({ kind: z.literal('end'), gate }),
  z.object({ kind: z.literal('costs'), costs: measuredCosts }),
  z.object({ kind: z.literal('done') }),
])
