/** What makes a `ModelCommand` one that may be carried out, whoever wrote it, in Avro or in JSON. */
import { z } from 'zod'
import { MillraceError } from '../../stages/errors.js'
import { type Action, actions, type ModelCommand } from '../messages.js'
import { oneLine } from './types.js'

const maxTextBytes = 1024
/** of a whole control message */
export const maxCommandBytes = 64 * 1024

const text = z.string().refine((value) => Buffer.byteLength(value) <= maxTextBytes, `longer than ${maxTextBytes} bytes`)
const reference = text.regex(/^[A-Za-z0-9._-]+@[A-Za-z0-9._-]+$/, 'must be name@version')
const whole = z.number().int().nonnegative()
const base64 = z
  .base64()
  .max(maxCommandBytes)
  .transform((value): Buffer => Buffer.from(value, 'base64'))

/** They speak of what was named before. */
const withoutModel: ReadonlySet<Action> = new Set(['COMMIT', 'ABORT', 'ROLLBACK'])

const command = z
  .strictObject({
    id: text.default(''),
    action: z.enum(actions),
    model: reference.nullable().default(null),
    digest: text.nullable().default(null),
    percent: z.number().int().min(1).max(100).nullable().default(null),
    issuedAt: whole.default(0),
    issuer: text.default(''),
    sequence: whole.default(0),
    signature: z
      .union([z.instanceof(Buffer), base64])
      .nullable()
      .default(null),
  })
  .refine(({ action, model }) => model !== null || withoutModel.has(action), {
    path: ['model'],
    message: 'is missing',
  })

/** Checks it and fills in the defaults. Throws `command-invalid`, with a line that names what is wrong. */
export function toCommand(value: unknown): ModelCommand {
  const result = command.safeParse(value)
  if (result.success) return result.data
  const lines = result.error.issues.map(({ path, message }) =>
    path.length ? `${path.join('.')}: ${message}` : message,
  )
  throw commandInvalid(lines.join('; '))
}

/** A command in JSON: `{"action":"SWITCH","model":"digits@2"}` is enough. A signature is base64 there. */
export function parseCommand(value: Buffer): ModelCommand {
  let json: unknown
  try {
    json = JSON.parse(value.toString())
  } catch (cause) {
    throw commandInvalid(`it is not JSON: ${(cause as Error).message}`)
  }
  return toCommand(json)
}

export const commandInvalid = (what: string): MillraceError => new MillraceError('command-invalid', oneLine(what))
