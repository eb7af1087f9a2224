/** Settings of where bundles come from and of what stands before a switch to one. */
import { z } from 'zod'

const count = z.number().int().positive()
const milliseconds = z.number().int().nonnegative()

const publicKeys = z
  .array(z.union([z.string().min(1), z.strictObject({ name: z.string().min(1), publicKeyPem: z.string().min(1) })]))
  .default([])

export const bundles = z
  .strictObject({
    directory: z.string().default('models/bundles').describe('the local store'),
    mutable: z.boolean().default(true).describe('false: only bundles of the image are used'),
    keepPrevious: z.boolean().default(true).describe('the previous model stays loaded: a rollback is instant'),
    maxStoreBytes: count.optional().describe('what pushed and uploaded bundles may have together; the disk by default'),
    collectAfterMs: milliseconds
      .default(7 * 24 * 3_600_000)
      .describe('a pushed or uploaded bundle that nothing on this machine has used for so long is removed'),
    trustedKeys: publicKeys.describe(
      'public keys, PEM files or name and PEM: only bundles that one of them signed are used',
    ),
  })
  .prefault({})

export const control = z
  .strictObject({
    trustedKeys: publicKeys.describe(
      'public keys, PEM files or name and PEM: only commands that one of them signed are carried out',
    ),
    keyFile: z
      .string()
      .min(1)
      .optional()
      .describe('PEM of a private key: signs what REST and the page are told, where commands have to be signed'),
  })
  .prefault({})

export const verification = z
  .strictObject({
    inChild: z.boolean().default(true).describe('a model is tried in a process of its own, which it may crash'),
    timeoutMs: count.default(60_000).describe('a model that is not through by then is refused'),
    memoryMb: count.min(128).default(2048).describe('resident memory that a model may take while it is tried'),
    replayRecords: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(200)
      .describe('so many of the newest input records are scored with it and with the active model'),
    requiredAgreement: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .default(null)
      .describe('share of those on which both have to agree; agreement is only reported by default'),
    batchSizes: z
      .array(count.max(1 << 16))
      .min(1)
      .max(16)
      .default([1, 8, 64, 512])
      .describe('its latency is measured for each of these'),
    measureMs: milliseconds.max(60_000).default(200).describe('for so long, each'),
    validForMs: milliseconds
      .default(600_000)
      .describe('a bundle that passed beside the same active model and the same schemas is not tried again so soon'),
  })
  .prefault({})

export const guardrails = z
  .strictObject({
    windowMs: count.default(60_000).describe('for so long after a switch the new model is watched'),
    minRecords: count.default(200).describe('nothing is concluded from fewer records'),
    maxErrorRate: z.number().min(0).max(1).optional().describe('share of records that the model may fail on'),
    maxLatencyMs: z.number().positive().optional().describe('p99 of what scoring a batch may take'),
    maxDisagreement: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('share of records on which a shadow may say something else'),
    keyFile: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM of a private key to sign the rollback with, where commands have to be signed; control.keyFile by default',
      ),
  })
  .optional()
  .describe('a new model that passes a limit is rolled back, in the whole group; not watched by default')

export type GuardrailSettings = Readonly<NonNullable<z.output<typeof guardrails>>>

export type VerificationSettings = Readonly<z.output<typeof verification>>
