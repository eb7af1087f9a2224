/**
 * From kafkajs's batches to the runs of an assignment: what a source does where kafkajs's inside is not known and fetcher.ts of no use.
 * Coverage without gaps, credits, and heartbeats while they are waited for.
 */
import type { EachBatchPayload } from 'kafkajs'
import type { Fetched, SourceRecord } from '../../stages/ports.js'
import { recordBytes } from '../../stages/record-bytes.js'
import type { OpenAssignment } from '../assignment.js'
import { toRecord } from './records.js'

export interface FeedOptions {
  readonly topic: string
  readonly assignment: OpenAssignment
  readonly maxRecordsPerRun: number
  readonly heartbeatIntervalMs: number
}

/** Lives as long as its assignment. */
export interface Feed {
  /** Hands a batch on in runs. Returns early when the assignment ends; rejects when the heartbeat does. */
  push(payload: EachBatchPayload): Promise<void>
}

export const createFeed = (options: FeedOptions): Feed => {
  const { topic, assignment, maxRecordsPerRun, heartbeatIntervalMs } = options
  /** by partition, the offset after the last that was handed on */
  const positions = new Map<number, number>()

  return {
    async push({ batch, resolveOffset, heartbeat }) {
      const { partition } = batch
      const all = batch.messages.map(toRecord)
      // Past the last record lie the transaction markers, which kafkajs has taken out.
      const next = Number(batch.lastOffset()) + 1
      let start = positions.get(partition) ?? all[0]?.offset ?? next
      // Only a log made anew is behind itself: the member starts over, and with it the coverage.
      if (next <= start) throw new Error(`${topic} ${partition} went back behind offset ${start}`)
      const records = all[0] !== undefined && all[0].offset < start ? all.filter(({ offset }) => offset >= start) : all
      for (let at = 0; at < records.length; at += maxRecordsPerRun) {
        const run = records.slice(at, at + maxRecordsPerRun)
        const last = run[run.length - 1]!.offset
        const end = at + run.length === records.length ? next : last + 1
        const fetched = { topic, partition, start, next: end, records: run, bytes: bytesOf(run) }
        if (!(await pushAlive(assignment, fetched, heartbeat, heartbeatIntervalMs))) return
        start = end
        positions.set(partition, end)
        resolveOffset(String(last))
      }
    },
  }
}

/** Hands the run on; heartbeats while it waits. False when the assignment ended first. Rejects when the heartbeat does. */
const pushAlive = async (
  target: OpenAssignment,
  fetched: Fetched,
  heartbeat: () => Promise<void>,
  intervalMs: number,
): Promise<boolean> => {
  const cancel = new AbortController()
  let failure: unknown
  const beat = setInterval(() => {
    heartbeat().catch((error) => {
      failure ??= error
      cancel.abort()
    })
  }, intervalMs)
  try {
    const pushed = await target.push(fetched, cancel.signal)
    if (!pushed && failure !== undefined) throw failure
    return pushed
  } finally {
    clearInterval(beat)
  }
}

const bytesOf = (records: readonly SourceRecord[]): number => {
  let bytes = 0
  for (const record of records) bytes += recordBytes(record)
  return bytes
}
