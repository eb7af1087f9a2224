import type { SourceRecord } from './ports.js'

/** Milliseconds since the epoch, in decimal digits: a deadline of the record's own. */
export const deadlineHeader = 'millrace.deadline'

/**
 * By when the result of a record is to be there, in milliseconds since the epoch: `ms` after its timestamp, or at what its header says,
 * whichever comes first. A header that is no number is as good as none; a record without either may take for ever (Infinity).
 */
export function deadlineOf({ timestamp, headers }: SourceRecord, ms: number): number {
  const own = timestamp < 0 ? Number.POSITIVE_INFINITY : timestamp + ms
  const header = headers?.[deadlineHeader]
  return header === undefined ? own : Math.min(own, millisecondsIn(header))
}

function millisecondsIn(header: Buffer | string | (Buffer | string)[]): number {
  if (Array.isArray(header)) return Math.min(...header.map(millisecondsIn))
  const digits = header.toString()
  return /^\d{1,15}$/.test(digits) ? Number(digits) : Number.POSITIVE_INFINITY
}
