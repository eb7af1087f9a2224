/** What the REST interface takes and shows: these schemas check requests, shape answers and write the OpenAPI document. */
import { z } from 'zod'
import { errors } from '../stages/errors.js'

const time = z.number().describe('milliseconds since the epoch')
const reference = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,120}@[A-Za-z0-9._-]{1,120}$/, 'must be name@version')
  .describe('name@version')
const digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hexadecimal')
  .describe('SHA-256 of the manifest')

export const problem = z
  .object({
    type: z.string().describe('urn:millrace:error:CODE'),
    title: z.string().describe('what is wrong, in one line'),
    status: z.number().int(),
    detail: z.string().describe('what exactly'),
    code: z.enum(Object.keys(errors) as [keyof typeof errors]),
    retryable: z.boolean().describe('whether the same request may succeed later'),
    remedy: z.string().describe('what to do about it'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457, for every error' })

const partState = z.object({ part: z.string(), state: z.string(), detail: z.string(), since: time })

const modelStatus = z
  .object({ generation: z.number().nullable(), model: z.string(), digest: z.string().nullable(), state: z.string() })
  .meta({ id: 'ModelStatus', description: 'A bundle that is loaded or about to be' })

const workerModel = z.object({
  model: z.string(),
  generation: z.number().nullable(),
  state: z.string(),
  reason: z.string().nullable(),
  at: time,
})

const groupWorker = z
  .object({
    worker: z.string(),
    present: z
      .boolean()
      .describe('whether the group has it as a member; from its events while the broker does not say'),
    partitions: z.array(z.number()),
    seenAt: time.nullable(),
    models: z.array(workerModel),
  })
  .meta({ id: 'GroupWorker', description: 'A worker of the deployment as the group and its events show it' })

const deadlineStats = z
  .object({
    class: z.enum(['soft', 'firm']),
    ms: z.number(),
    records: z.number().describe('predictions and late records'),
    missed: z
      .object({ admission: z.number(), inference: z.number(), publish: z.number() })
      .describe(
        'of them, by where it was found: before the model, after it, or only as the broker had acknowledged them',
      ),
    slack: z.array(
      z.object({
        stage: z.string(),
        p50Ms: z.number(),
        leastMs: z.number().describe('99 of 100 had more; 0 for what was too late'),
      }),
    ),
  })
  .meta({ id: 'Deadline', description: 'How this worker keeps its deadline' })

const counts = z.record(z.string(), z.number())

export const status = z
  .object({
    worker: z.string(),
    deployment: z.string(),
    ready: z.boolean(),
    startedAt: time,
    parts: z.array(partState),
    model: z.object({
      active: modelStatus.nullable(),
      beside: z
        .object({
          mode: z.enum(['CANARY', 'SHADOW']),
          model: z.string(),
          digest: z.string(),
          percent: z.number().nullable().describe('of the keys, in a canary'),
        })
        .nullable()
        .describe('the second model of a canary or a shadow'),
      previous: z.object({ model: z.string(), digest: z.string() }).nullable(),
      generations: z.array(modelStatus),
      waiting: z.string().nullable(),
    }),
    pipe: z.object({
      records: z.number(),
      bytes: z.number(),
      predictions: z.number(),
      deadLetters: z.number(),
      rejected: counts,
      batches: z.number(),
      closedBy: counts,
      commits: z.number(),
      transactions: z.object({ committed: z.number(), aborted: z.number() }),
      inFlight: z.number(),
      inFlightBytes: z.number(),
      lastLatencyMs: z.number().nullable(),
      stages: z.array(
        z.object({
          stage: z.string(),
          totalMs: z.number(),
          waitMs: z.number().describe('of totalMs, behind the batches before'),
          batches: z.number(),
          records: z.number(),
        }),
      ),
    }),
    mainThread: z
      .object({ activeMs: z.number(), idleMs: z.number() })
      .describe('of the process since its start: idle is waiting for something to happen'),
    threadDeaths: z.number(),
    budgets: z
      .array(z.object({ stage: z.string(), class: z.string(), batches: z.number(), missed: z.number() }))
      .describe('batches of stages for which a bundle states a budget, and how many of them took longer'),
    stageCosts: z
      .array(
        z.object({
          generation: z.number(),
          model: z.string(),
          stages: z.array(
            z.object({
              stage: z.string(),
              table: z.array(z.object({ rows: z.number(), batches: z.number(), p50Ms: z.number(), p99Ms: z.number() })),
            }),
          ),
        }),
      )
      .describe('what the stages of the newest generations cost by batch size'),
    deadline: deadlineStats.nullable().describe('null where there is none'),
    fallback: z
      .object({ model: z.string(), digest: z.string(), records: z.number().describe('predictions of its') })
      .nullable()
      .describe('what answers in time what the model cannot; null where none is named'),
    shadow: z
      .object({
        candidate: z.string(),
        compared: z.number(),
        agreed: z.number(),
        failed: z.number().describe('records that only the active model could score'),
        skipped: z.number().describe('records that were not compared'),
        meanDistance: z.number().nullable(),
        maxDistance: z.number().nullable(),
      })
      .nullable()
      .describe('how the candidate of the shadow under way, or of the last one, compares in this worker'),
    group: z.object({
      state: z.string().nullable().describe('as the broker calls it; null while it cannot be asked'),
      rates: z
        .object({
          arriving: z.number().describe('records a second that come to the input topic'),
          done: z.number().describe('records a second that are answered and committed'),
        })
        .nullable()
        .describe('of the whole group, of late; null until it was asked twice within a few seconds'),
      workers: z.array(groupWorker),
      partitions: z.array(
        z.object({
          partition: z.number(),
          committed: z.number().nullable(),
          end: z.number(),
          lag: z.number(),
          done: z.number().nullable().describe('records a second, as of the whole group'),
        }),
      ),
      command: z
        .object({
          command: z.string(),
          model: z.string(),
          beside: z.string().nullable().describe('of a canary or a shadow: what scores beside the model'),
          begunAt: time,
          workers: z.record(z.string(), z.string()),
        })
        .nullable()
        .describe('the last switch, and how far each worker is with it'),
    }),
  })
  .meta({ id: 'Status', description: 'This worker, and its group' })

export const setting = z
  .object({
    path: z.string(),
    value: z.unknown().describe('… for a secret, null where nothing is set'),
    source: z.string().describe('flag, env, file, stack, default, rest (changed while running)'),
    live: z.boolean().describe('whether PATCH changes it'),
    environment: z.string(),
    description: z.string(),
  })
  .meta({ id: 'Setting' })
export const settings = z.object({ settings: z.array(setting) }).meta({ id: 'Settings' })

export const settingChanges = z
  .object({ changed: z.array(z.object({ path: z.string(), from: z.unknown(), to: z.unknown() })) })
  .meta({ id: 'SettingChanges', description: 'What is different now; empty where everything was so already' })

const share = z.number().min(0).max(1)

export const liveSettings = z
  .strictObject({
    batch: z
      .strictObject({
        maxRecords: z.number().int().min(1).max(65_536),
        maxBytes: z.number().int().min(1),
        maxDelayMs: z.number().int().min(0).max(60_000),
      })
      .partial(),
    deadline: z
      .strictObject({ ms: z.number().int().min(1).max(86_400_000) })
      .describe('of a deployment that has one: its class takes a restart'),
    guardrails: z
      .strictObject({
        windowMs: z.number().int().min(1),
        minRecords: z.number().int().min(1),
        maxErrorRate: share.nullable(),
        maxLatencyMs: z.number().positive().nullable(),
        maxDisagreement: share.nullable(),
      })
      .partial()
      .describe('null takes a limit away; without limits nothing is watched'),
    logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
  })
  .partial()
  .meta({
    id: 'LiveSettings',
    example: { batch: { maxRecords: 1024, maxDelayMs: 2 }, guardrails: { maxErrorRate: 0.01 } },
  })

export const bundle = z
  .object({
    ref: z.string(),
    digest: z.string(),
    bytes: z.number(),
    signed: z.boolean(),
    pinned: z.boolean(),
    state: z.string().nullable().describe('of this worker: active, ready, previous, …; null where it is not loaded'),
    problem: z.string().nullable().describe('why it cannot be loaded'),
  })
  .meta({ id: 'Bundle', description: 'A bundle in the store of this worker' })
export const bundles = z.object({ models: z.array(bundle), mutable: z.boolean() }).meta({ id: 'Bundles' })
export const stored = z
  .object({ ref: z.string(), digest: z.string(), stored: z.boolean().describe('false: it was there already') })
  .meta({ id: 'Stored' })
export const gateReport = z
  .object({
    ref: z.string().nullable(),
    digest: z.string().nullable(),
    ok: z.boolean(),
    gates: z.array(
      z.object({
        gate: z.string(),
        ok: z.boolean(),
        detail: z.string(),
        code: z.string().nullable(),
        measured: z.record(z.string(), z.number()).describe('figures by name with their unit'),
      }),
    ),
  })
  .meta({ id: 'GateReport', description: 'What stands before a switch, tried without switching' })
export const removed = z.object({ ref: z.string(), digest: z.string() }).meta({ id: 'Removed' })

export const switchRequest = z
  .strictObject({
    model: reference,
    digest: digest.optional(),
    canary: z
      .number()
      .int()
      .min(1)
      .max(99)
      .optional()
      .describe('percent of the keys that it scores; the active model scores the others'),
    shadow: z.boolean().optional().describe('it scores everything too, unpublished, for comparison'),
  })
  .refine(({ canary, shadow }) => canary === undefined || shadow !== true, {
    path: ['canary'],
    message: 'is given beside shadow: choose one',
  })
  .meta({ id: 'SwitchRequest', example: { model: 'digits@2' } })
export const sentCommand = z
  .object({ command: z.string().describe('id: events of the switch carry it'), offset: z.number() })
  .meta({ id: 'SentCommand', description: 'The command is on the control topic' })

/** A reference or a digest, in a path. */
export const bundleParams = z.strictObject({ ref: z.union([reference, digest]) })

export type Status = z.output<typeof status>
export type Setting = z.output<typeof setting>
export type SettingChanges = z.output<typeof settingChanges>
export type Bundle = z.output<typeof bundle>
export type Stored = z.output<typeof stored>
export type GateReport = z.output<typeof gateReport>
export type SentCommand = z.output<typeof sentCommand>
export type Problem = z.output<typeof problem>
