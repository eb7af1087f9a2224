/** Settings of the deadline of a deployment, and what the other settings leave of it. */
import { z } from 'zod'
import type { DeadlineRule } from '../stages/ports.js'

/** A deadline is a day at most. */
export const longestMs = 24 * 3_600_000

export const deadline = z
  .strictObject({
    class: z
      .enum(['soft', 'firm', 'hard'])
      .describe('soft: late records are scored and say so; firm: they go to the late topic; hard is not promised'),
    ms: z
      .number()
      .int()
      .positive()
      .max(longestMs)
      .describe('from the timestamp of a record to its prediction; the header millrace.deadline may shorten it'),
    fallback: z
      .string()
      .regex(/^[A-Za-z0-9._-]+@[A-Za-z0-9._-]+$/, 'must be name@version')
      .optional()
      .describe('a faster bundle that answers what the model cannot answer in time; firm only'),
  })
  .optional()
  .describe('end to end; no deadline by default')

export type DeadlineSettings = 'deadline' | 'batch' | 'delivery' | 'transactionIntervalMs'

interface Surroundings {
  readonly deadline?: {
    readonly class: DeadlineRule['class'] | 'hard'
    readonly ms: number
    readonly fallback?: string
  }
  readonly batch: { readonly maxDelayMs: number }
  readonly delivery: 'at-least-once' | 'exactly-once'
  readonly transactionIntervalMs: number
}

/** What a record may have to wait for beside the model, by setting. What a transaction holds is not seen before it is committed. */
export const waitsOf = ({ batch, delivery, transactionIntervalMs }: Surroundings): (readonly [string, number])[] => [
  ['batch.maxDelayMs', batch.maxDelayMs],
  ...(delivery === 'exactly-once' ? [['transactionIntervalMs', transactionIntervalMs] as const] : []),
]

/** What is wrong between the settings, with the path within the section and the arithmetic. */
export function* deadlineRules(settings: Surroundings) {
  const { deadline } = settings
  if (!deadline) return
  if (deadline.class === 'hard')
    yield [
      'class',
      'hard cannot be promised by a garbage-collected runtime on a shared kernel: ask for firm, if need be with a deadline.fallback; ' +
        '`millrace profile` measures which one a bundle can keep',
    ] as const
  if (deadline.class === 'soft' && deadline.fallback !== undefined)
    yield ['fallback', 'a soft deadline has no use for one: what is late is scored all the same'] as const
  const waits = waitsOf(settings)
  const waited = waits.reduce((sum, [, ms]) => sum + ms, 0)
  if (waited < deadline.ms) return
  const terms = waits.map(([name, ms]) => `${name} ${ms}`).join(' + ')
  yield [
    'ms',
    `${terms}${waits.length > 1 ? ` = ${waited}` : ''} leaves nothing of ${deadline.ms} ms to score in`,
  ] as const
}
