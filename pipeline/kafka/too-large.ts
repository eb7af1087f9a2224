/** What the broker finds too large is cut smaller; a single record that it finds too large is waited with. */
import { MillraceError } from '../../stages/errors.js'
import { kafkaErrorType } from './errors.js'
import type { Chunk, Limits } from './lanes.js'

export const isTooLarge = (error: unknown): boolean => {
  const type = kafkaErrorType(error)
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE'
}

/** Limits under which the chunks are cut in two; undefined when each is a single record. */
export const halved = (limits: Limits, chunks: readonly Chunk[]): Limits | undefined => {
  const several = chunks.filter(({ records }) => records.length > 1)
  if (several.length === 0) return undefined
  return { ...limits, bytes: Math.floor(Math.max(...several.map(({ bytes }) => bytes)) / 2) }
}

export const tooLargeError = (chunks: readonly Chunk[]): MillraceError => {
  const { topic, bytes } = chunks.reduce((one, other) => (one.bytes >= other.bytes ? one : other))
  return new MillraceError('config-invalid', `${topic} takes no record of ${bytes} bytes: raise its max.message.bytes`)
}
