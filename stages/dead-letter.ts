import type { Decoded, OutgoingRecord, Rejected, SourceRecord } from './ports.js'

/** A reason longer than this is cut: a header must not make a record too large that the input topic could hold. */
const maxReason = 500

/**
 * The dead letter of a record: key, timestamp and the value's original bytes untouched (null stays null), the user's headers, and beside
 * them what went wrong, where it came from and which model was to score it. `at` is milliseconds since the epoch.
 */
export function deadLetter(record: SourceRecord, part: Decoded, rejected: Rejected, at: number): OutgoingRecord {
  return {
    key: record.key,
    value: record.value,
    timestamp: record.timestamp,
    headers: {
      ...record.headers,
      'millrace.error': rejected.code,
      'millrace.reason': oneLine(rejected.reason),
      'millrace.topic': part.topic,
      'millrace.partition': String(part.partition),
      'millrace.offset': String(record.offset),
      'millrace.model': part.generation.model,
      'millrace.at': new Date(at).toISOString(),
    },
  }
}

function oneLine(reason: string): string {
  const line = reason.replace(/\s+/g, ' ').trim()
  return line.length <= maxReason ? line : `${line.slice(0, maxReason - 1)}…`
}
