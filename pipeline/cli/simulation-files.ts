/** What a simulation reads: profiles that `millrace profile --json` has written, and traces. */
import { z } from 'zod'
import { type ErrorCode, MillraceError } from '../../stages/errors.js'
import type { CostTimes } from '../../stages/ports.js'
import type { Arrival } from '../simulate.js'
import { readText } from './text-file.js'

/** What batches cost, by ascending number of rows. */
export type ProfileTable = readonly (CostTimes & { readonly rows: number })[]

const time = z.number().nonnegative()
const profile = z.object({
  table: z.array(z.object({ rows: z.number().positive(), p50Ms: time, p99Ms: time })).min(1),
})
const arrival = z.object({ at: time, partition: z.int().nonnegative(), deadlineMs: time.optional() })

/** Throws `file-unreadable` and `profile-invalid`. */
export const readProfile = async (path: string): Promise<ProfileTable> =>
  parse(profile, await readText(path), path, 'profile-invalid').table.sort((one, other) => one.rows - other.rows)

/** JSON, a record a line. Throws `file-unreadable` and, with the number of the line, `record-invalid`. */
export const readTrace = async (path: string): Promise<Arrival[]> =>
  (await readText(path))
    .split('\n')
    .map((line, index) => [line.trim(), `${path}:${index + 1}`] as const)
    .filter(([line]) => line !== '')
    .map(([line, at]) => {
      const { deadlineMs, ...rest } = parse(arrival, line, at, 'record-invalid')
      return deadlineMs === undefined ? rest : { ...rest, deadlineMs }
    })

const parse = <T extends z.ZodType>(type: T, text: string, at: string, code: ErrorCode): z.output<T> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new MillraceError(code, `${at}: it is not JSON`, { cause })
  }
  const { data, error } = type.safeParse(value)
  if (error === undefined) return data as z.output<T>
  const [first] = error.issues
  const where = first!.path.length > 0 ? `${first!.path.join('.')}: ` : ''
  throw new MillraceError(code, `${at}: ${where}${first!.message}`, { cause: error })
}
