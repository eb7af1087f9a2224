/** Dead letters as they were written: the input record, and in its headers why it could not be scored. */
import type { Headers, SourceRecord } from '../stages/ports.js'

export interface DeadLetter {
  /** of the error table */
  readonly code: string
  readonly reason: string
  /** where the input record was */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly model: string
  /** ISO 8601 */
  readonly at: string
  readonly record: SourceRecord
  /** on the dead-letter topic; the record knows the offset */
  readonly letterPartition: number
  /** of the letter that this is a replay of, and failed again */
  readonly replayOf: LetterPlace | undefined
  /** without ours */
  readonly headers: Headers
}

const prefix = 'millrace.'

/** On a replayed record, and on what was made of it: which dead letter it was, and where the input had it first. */
export const replayHeaders = { of: 'millrace.replay.of', input: 'millrace.replay.input', at: 'millrace.replay.at' }

export interface LetterPlace {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export const placeText = ({ topic, partition, offset }: LetterPlace): string => `${topic}/${partition}/${offset}`

/** The dead letter that a record is a replay of; undefined for any other record. */
export const replayOf = (headers: Headers | undefined): LetterPlace | undefined => {
  const found = /^(.+)\/(\d+)\/(\d+)$/.exec(String(headers?.[replayHeaders.of] ?? ''))
  return found ? { topic: found[1]!, partition: Number(found[2]), offset: Number(found[3]) } : undefined
}

/** What is no dead letter of ours has empty texts and the partition and offset -1. */
export const toDeadLetter = (record: SourceRecord, letterPartition: number): DeadLetter => {
  const all = record.headers ?? {}
  const ours = (name: string) => String(all[prefix + name] ?? '')
  const number = (name: string) => (ours(name) === '' ? -1 : Number(ours(name)))
  return {
    code: ours('error'),
    reason: ours('reason'),
    topic: ours('topic'),
    partition: number('partition'),
    offset: number('offset'),
    model: ours('model'),
    at: ours('at'),
    record,
    letterPartition,
    replayOf: replayOf(all),
    headers: Object.fromEntries(Object.entries(all).filter(([name]) => !name.startsWith(prefix))),
  }
}
