/**
 * An event in JSON, as a worker writes it that the registry has not told the id of the schema yet: what it waits for is to be seen just then.
 */
import { z } from 'zod'
import { MillraceError } from '../../stages/errors.js'
import type { ModelEvent } from '../messages.js'
import { oneLine } from './types.js'

const text = z.string().nullable().default(null)
const whole = z.number().int()

/** Of another release it may hold more. */
const event = z.object({
  type: z.string(),
  worker: z.string(),
  command: text,
  model: text,
  digest: text,
  generation: whole.nullable().default(null),
  code: text,
  reason: text,
  at: whole,
})

/** What is null is left out. */
export const eventToJson = (value: ModelEvent): Buffer =>
  Buffer.from(JSON.stringify(value, (_, part) => part ?? undefined))

/** Throws `record-invalid`, with a line that names what is wrong. */
export function parseEvent(value: Buffer): ModelEvent {
  try {
    return event.parse(JSON.parse(value.toString()))
  } catch (cause) {
    const what = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message
    throw new MillraceError('record-invalid', oneLine(`model-event in JSON: ${what}`))
  }
}
