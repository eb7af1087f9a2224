/** Dead letters as they are shown to people: cut short, and with nothing in them that could not be JSON. */
import type { DeadLetter } from './dead-letter.js'
import type { Watched } from './watched.js'

export interface DeadLetterSample {
  /** where the input record was; -1 for what is no dead letter of a worker */
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  /** milliseconds since the epoch: when it was given up */
  readonly at: number
  /** of the error table */
  readonly code: string
  readonly reason: string
  /** name@version of the model that was to score it */
  readonly model: string
  /** length of the value; null for a tombstone */
  readonly size: number | null
  /** the beginning of the value, in hexadecimal */
  readonly bytes: string
}

export type DeadLetters = Watched<DeadLetterSample>

const longestText = 80
const longestReason = 300
const mostBytes = 256

export const letterSample = ({ record, code, ...letter }: DeadLetter): DeadLetterSample => {
  const { key, value, timestamp } = record
  return {
    partition: whole(letter.partition),
    offset: whole(letter.offset),
    key: textOf(key),
    at: timeOf(letter.at) ?? timestamp,
    code: code.slice(0, longestText) || 'unknown',
    reason: letter.reason.slice(0, longestReason),
    model: letter.model.slice(0, 2 * longestText),
    size: value?.length ?? null,
    bytes: value?.subarray(0, mostBytes).toString('hex') ?? '',
  }
}

/** The beginning of a key, with a dot for what is no text. */
export const textOf = (key: Buffer | null): string | null =>
  key
    ?.subarray(0, longestText)
    .toString()
    .replace(/\p{Cc}|\ufffd/gu, '·') ?? null

/** Anybody may write to the topic. */
const whole = (value: number): number => (Number.isSafeInteger(value) ? value : -1)
const timeOf = (text: string): number | undefined => {
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}
