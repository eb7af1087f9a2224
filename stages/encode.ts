import { map, type OperatorFunction } from 'rxjs'
import { deadLetter } from './dead-letter.js'
import { mergeCovered } from './merge-covered.js'
import { isMissed } from './missed.js'
import type {
  Encoded,
  LateEncoder,
  Outgoing,
  OutgoingRecord,
  OutputKind,
  PredictionEncoder,
  Rejected,
  Scored,
} from './ports.js'
import { recordBytes } from './record-bytes.js'

export interface EncodeOptions {
  readonly encoder: PredictionEncoder
  /** key, value and headers of a prediction; a larger one becomes a dead letter (`too-large`) */
  readonly maxRecordBytes: number
  /** of records that missed a firm deadline; where there is none, no record does */
  readonly lateEncoder?: LateEncoder
}

/**
 * Turns a scored batch into the records to publish, grouped by topic and partition, in input order within each group. A prediction keeps
 * its input's key, timestamp, headers (`traceparent` included) and partition. Records that could not be decoded, scored or encoded become
 * dead letters (see `deadLetter`), those that missed a firm deadline late records. An encoder that throws errors the stream.
 *
 * @example
 * scored.pipe(encode({ encoder, maxRecordBytes: 1_000_000 }))
 */
export function encode(options: EncodeOptions): OperatorFunction<Scored, Encoded> {
  return map((scored) => encodeBatch(scored, options))
}

function encodeBatch(scored: Scored, { encoder, maxRecordBytes, lateEncoder }: EncodeOptions): Encoded {
  const predictions = new Map<number, OutgoingRecord[]>()
  const deadLetters = new Map<number, OutgoingRecord[]>()
  const late = new Map<number, OutgoingRecord[]>()
  let records = 0
  let bytes = 0
  let firstRow = 0
  for (const part of scored.parts) {
    if (part.records.length > 0) {
      const out = group(predictions, part.partition)
      const values = part.rows.count > 0 ? encoder.encode(scored, part, firstRow) : []
      let row = 0
      for (let i = 0; i < part.records.length; i++) {
        const record = part.records[i]!
        const early = part.rejected.get(i)
        const result = early ?? scored.failed.get(firstRow + row) ?? values[row]!
        if (!early) row++
        const outgoing = fitting(result, maxRecordBytes)
        if (!('code' in outgoing)) out.push(outgoing)
        else if (lateEncoder && isMissed(outgoing)) {
          const { key, headers, timestamp } = record
          const { stage, deadline, missedByMs } = outgoing
          // What is scored may have to wait behind a slower batch, and be found late only then.
          const at = stage === 'inference' ? deadline + missedByMs : scored.scoredAt
          const value = lateEncoder.encode(record, part, outgoing, at)
          group(late, part.partition).push({ key, value, headers, timestamp })
        } else {
          group(deadLetters, part.partition).push(deadLetter(record, part, outgoing, scored.scoredAt))
        }
      }
    }
    records += part.records.length
    bytes += part.bytes
    firstRow += part.rows.count
  }
  const outgoing = [
    ...groups('predictions', predictions),
    ...groups('deadLetter', deadLetters),
    ...groups('late', late),
  ]
  return { batch: scored, outgoing, covered: mergeCovered(scored.parts), records, bytes }
}

function fitting(result: OutgoingRecord | Rejected, maxBytes: number): OutgoingRecord | Rejected {
  if ('code' in result) return result
  const bytes = recordBytes(result)
  if (bytes <= maxBytes) return result
  return {
    code: 'too-large',
    reason: `the prediction has ${bytes} bytes with key and headers, at most ${maxBytes} may be`,
  }
}

function group(groups: Map<number, OutgoingRecord[]>, partition: number): OutgoingRecord[] {
  let records = groups.get(partition)
  if (!records) {
    records = []
    groups.set(partition, records)
  }
  return records
}

function* groups(kind: OutputKind, byPartition: Map<number, OutgoingRecord[]>): Generator<Outgoing> {
  for (const [partition, records] of byPartition) if (records.length > 0) yield { kind, partition, records }
}
