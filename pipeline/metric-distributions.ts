/** What has to be measured as batches pass: their sizes, and how long things took. A few observations per batch. */
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
  /** when the batches that are with the model came to it: the stage keeps order */
  const handedOver: number[] = []
  let answeredAt = 0
  let published: { readonly generation: number; readonly at: number } | undefined

  return observing({
    batched({ rows }) {
      histograms.millrace_batch_rows.observe(rows)
      handedOver.push(now())
    },
    scored({ rows }) {
      const at = now()
      // One thread answers one batch after the other: a batch is begun when it was there and the one before was done.
      const begun = Math.max(handedOver.shift() ?? at, answeredAt)
      answeredAt = at
      if (rows > 0) histograms.millrace_inference_seconds.observe({ rows: sizeOf(rows) }, (at - begun) / 1_000)
    },
    published({ batch }) {
      const at = now()
      const generation = batch.generation.number
      if (published && published.generation !== generation)
        histograms.millrace_switch_output_gap_seconds.observe((at - published.at) / 1_000)
      published = { generation, at }
      const date = today()
      for (const { records } of batch.parts) {
        const ends = records.length > 1 ? [records[0]!, records[records.length - 1]!] : records
        // The clock of who wrote the record may be ahead of ours.
        for (const { timestamp } of ends)
          histograms.millrace_latency_seconds.observe(Math.max(0, date - timestamp) / 1_000)
      }
    },
    ended() {
      handedOver.length = 0
      published = undefined
      counters.millrace_pipes_ended_total.inc()
    },
  })
}
