/** What has to be measured as batches pass: their sizes, and how long things took. A few observations per batch. */
import type { Encoded } from '../stages/ports.js'
import { createBatchesInOrder } from './batches-in-order.js'
import type { Meters } from './metrics.js'
import { observing, type PipeObserver } from './pipe-observer.js'

export interface Clock {
  /** milliseconds, for durations */
  readonly now: () => number
  /** milliseconds since the epoch, for the timestamps of records */
  readonly today: () => number
}

const sizes = [
  [1, '1'],
  [16, '2-16'],
  [128, '17-128'],
  [1024, '129-1024'],
] as const

/** The number of rows as one of five. */
export const sizeOf = (rows: number): string => sizes.find(([most]) => rows <= most)?.[1] ?? '1025+'

export const observeDistributions = (
  { counters, histograms }: Meters,
  { now, today }: Clock = { now: () => performance.now(), today: () => Date.now() },
): PipeObserver => {
  const queued = (queue: string, ms: number) => histograms.millrace_queue_seconds.observe({ queue }, ms / 1_000)
  const scoring = createBatchesInOrder()
  /** when they came to be published; exactly once they do not leave in that order (a Map keeps some of what it no longer has, until V8 looks at all) */
  const publishing = new WeakMap<Encoded, number>()
  /** when the first record of the batch that is open came to it */
  let gathering: number | undefined
  let answeredAt = 0
  let published: { readonly generation: number; readonly at: number } | undefined

  return observing({
    decoded() {
      gathering ??= now()
    },
    batched(batch) {
      const at = now()
      histograms.millrace_batch_rows.observe(batch.rows)
      if (gathering !== undefined) queued('batch', at - gathering)
      gathering = undefined
      scoring.came(batch, at)
    },
    scored(piece) {
      const at = now()
      const whole = scoring.left(piece)
      if (!whole) return
      // One thread answers one batch after the other: a batch is begun when it was there and the one before was done.
      const begun = Math.max(whole.at, answeredAt)
      answeredAt = at
      if (whole.rows === 0) return
      queued('inference', begun - whole.at)
      histograms.millrace_inference_seconds.observe({ rows: sizeOf(whole.rows) }, (at - begun) / 1_000)
    },
    encoded(encoded) {
      publishing.set(encoded, now())
    },
    published(encoded) {
      const { batch } = encoded
      const at = now()
      queued('publish', at - (publishing.get(encoded) ?? at))
      const generation = batch.generation.number
      if (published && published.generation < generation)
        histograms.millrace_switch_output_gap_seconds.observe((at - published.at) / 1_000)
      published = { generation: Math.max(generation, published?.generation ?? 0), at }
      const date = today()
      for (const { records } of batch.parts) {
        const ends = records.length > 1 ? [records[0]!, records[records.length - 1]!] : records
        // The clock of who wrote the record may be ahead of ours.
        for (const { timestamp } of ends)
          histograms.millrace_latency_seconds.observe(Math.max(0, date - timestamp) / 1_000)
      }
    },
    ended() {
      scoring.clear()
      gathering = undefined
      published = undefined
      counters.millrace_pipes_ended_total.inc()
    },
  })
}
