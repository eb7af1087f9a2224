/** Counters that are always on: where records are, and where the time goes. A few additions per batch. */

import type { RejectCode } from '../stages/errors.js'
import type { CloseReason, Encoded } from '../stages/ports.js'
import { createBatchesInOrder } from './batches-in-order.js'
import type { PipeObserver, TransactionResult } from './pipe-observer.js'
import { createStageTimes, type StageTime } from './stage-times.js'

export type { StageTime } from './stage-times.js'

export interface PipeStats {
  /** records read from the input */
  readonly records: number
  /** bytes of keys, values and headers read */
  readonly bytes: number
  /** predictions that the broker has acknowledged */
  readonly predictions: number
  /** dead letters that the broker has acknowledged */
  readonly deadLetters: number
  /** by code, as soon as it is known */
  readonly rejected: Readonly<Partial<Record<RejectCode, number>>>
  readonly batches: number
  readonly closedBy: Readonly<Partial<Record<CloseReason, number>>>
  /** how often offsets were committed */
  readonly commits: number
  /** by how they ended; exactly once only */
  readonly transactions: Readonly<Record<TransactionResult, number>>
  /** records read and not yet acknowledged */
  readonly inFlight: number
  /** bytes of them */
  readonly inFlightBytes: number
  /** milliseconds from the timestamp of the oldest record of the last acknowledged batch to its acknowledgement */
  readonly lastLatencyMs: number | undefined
  readonly stages: readonly StageTime[]
}

export interface StatsCollector {
  readonly observer: PipeObserver
  snapshot(): PipeStats
}

export function createPipeStats(now: () => number = () => performance.now()): StatsCollector {
  const rejected: Partial<Record<RejectCode, number>> = {}
  const closedBy: Partial<Record<CloseReason, number>> = {}
  const { spend, snapshot: stages } = createStageTimes()
  let records = 0
  let bytes = 0
  let predictions = 0
  let deadLetters = 0
  let batches = 0
  let commits = 0
  let inFlight = 0
  let inFlightBytes = 0
  const transactions = { committed: 0, aborted: 0 }
  let lastLatencyMs: number | undefined
  /** when the batches that are being gathered, scored, published came to that stage: the first two keep order */
  let gathering: number | undefined
  const scoring = createBatchesInOrder()
  const publishing = new WeakMap<Encoded, number>()
  let last = 0

  const observer: PipeObserver = {
    fetched(fetched) {
      records += fetched.records.length
      inFlight += fetched.records.length
      bytes += fetched.bytes
      inFlightBytes += fetched.bytes
      last = now()
    },
    decoded(decoded) {
      const at = now()
      spend('decode', last, at, decoded.records.length)
      last = at
      gathering ??= at
      for (const { code } of decoded.rejected.values()) rejected[code] = (rejected[code] ?? 0) + 1
    },
    batched(batch) {
      const at = now()
      spend('gather', gathering ?? at, at, batch.rows)
      gathering = undefined
      last = at
      batches++
      closedBy[batch.closedBy] = (closedBy[batch.closedBy] ?? 0) + 1
      scoring.came(batch, at)
    },
    scored(scored) {
      const at = now()
      const whole = scoring.left(scored)
      if (whole) spend('infer', whole.at, at, whole.rows)
      last = at
      for (const { code } of scored.failed.values()) rejected[code] = (rejected[code] ?? 0) + 1
    },
    encoded(encoded) {
      const at = now()
      spend('encode', last, at, encoded.records)
      publishing.set(encoded, at)
      last = at
    },
    published(encoded) {
      spend('publish', publishing.get(encoded) ?? last, now(), encoded.records)
      inFlight -= encoded.records
      inFlightBytes -= encoded.bytes
      for (const { kind, records: sent } of encoded.outgoing) {
        if (kind === 'predictions') predictions += sent.length
        else if (kind === 'deadLetter') deadLetters += sent.length
      }
      const oldest = encoded.batch.parts[0]?.records[0]?.timestamp
      if (oldest !== undefined) lastLatencyMs = Date.now() - oldest
    },
    committed() {
      commits++
    },
    transacted(result) {
      transactions[result]++
    },
    ended() {
      inFlight = inFlightBytes = 0
      gathering = undefined
      scoring.clear()
    },
  }

  return {
    observer,
    snapshot: () => ({
      records,
      bytes,
      predictions,
      deadLetters,
      rejected: { ...rejected },
      batches,
      closedBy: { ...closedBy },
      commits,
      transactions: { ...transactions },
      inFlight,
      inFlightBytes,
      lastLatencyMs,
      stages: stages(),
    }),
  }
}
