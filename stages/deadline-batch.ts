import { asyncScheduler, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs'
import type { BatchCosts } from './batch-size.js'
import { chooseBatch } from './choose-batch.js'
import type { Idleness } from './idleness.js'
import type { Leases } from './leases.js'
import { joinLine, type Line, type Waiting } from './line.js'
import type { BatchLimits } from './micro-batch.js'
import type { DeadlineRule, Decoded, Generation, MicroBatch } from './ports.js'
import { stage } from './stage.js'
import { takeBatch } from './take-batch.js'
import type { Turns } from './turns.js'

export interface DeadlineBatchOptions {
  /** Asked for every batch. */
  readonly limits: () => BatchLimits
  /** Asked for every batch and for every part that comes. */
  readonly deadline: () => DeadlineRule
  readonly costs: (generation: Generation) => BatchCosts
  /** Takes one for each batch with rows; whoever scores it gives it back. */
  readonly turns: Turns
  /** Takes one lease more for each split. */
  readonly leases: Leases
  /** of whoever scores: with nothing to do, it gets what is there. Default: it is never known to be idle. */
  readonly idleness?: Idleness
  readonly scheduler?: SchedulerLike
}

/**
 * At most this share of its time is spent by the model on records that, by what is known of it, will be too late: it may have become faster
 * since, and nothing but a batch tells.
 */
export const probeShare = 0.05

/**
 * Gathers what is scored together where results have a deadline. Unlike `microBatch` it holds records back until the model has a turn for them,
 * and then hands out the most urgent: earliest deadline first across partitions, in order within one. A batch closes at the first of:
 * `maxRecords`, `maxBytes`, `maxDelayMs` since its oldest record came, the last moment at which it is ready, as it would be, for the most urgent
 * record in it (its deadline less p99 of both: see `batchSize`), or that nothing is being scored and all that came at once is in, as in `microBatch`.
 * Records that would likely miss a firm deadline ride along as `Missed`, without their rows; where all would, one is scored in spite of it now and
 * then (see `probeShare`). What waits is bounded by the credits given out at the source.
 *
 * @example
 * decoded.pipe(deadlineBatch({ limits, deadline, costs, turns, leases }), infer({ concurrency, onDone: turns.give }))
 */
export function deadlineBatch(options: DeadlineBatchOptions): OperatorFunction<Decoded, MicroBatch> {
  const { limits, deadline, costs, turns, leases, idleness, scheduler = asyncScheduler } = options
  return stage((downstream) => {
    const lines: Line[] = []
    const waiting = { records: 0, bytes: 0 }
    /** of the batches that are with the model, what each will likely take */
    const withModel: number[] = []
    let busyUntil = 0
    /** from when on a record may be scored that will be too late by what is known */
    let probeFrom = 0
    let closingSoon = false
    let timer: Subscription | undefined
    let ended = false

    function lineOf({ topic, partition }: Decoded): Line {
      let line = lines.find((one) => one.partition === partition && one.topic === topic)
      if (!line) {
        line = { topic, partition, parts: [] }
        lines.push(line)
      }
      return line
    }

    /** The batch that is to go now; undefined when it is better to wait, with the timer set where time alone brings it on. */
    function nextBatch(allIn: boolean): MicroBatch | undefined {
      const now = scheduler.now()
      const oldest = oldestOf(lines)
      if (!oldest || !turns.free) return undefined
      const cost = costs(oldest.decoded.generation)
      const startsAt = Math.max(now, busyUntil)
      const limit = limits()
      const maxRecords = recordsWithin(limit)
      const firm = deadline().class === 'firm'
      const mayProbe = withModel.length === 0 && now >= probeFrom
      const options = { maxRecords, waiting: waiting.records, firm, costs: cost, now, startsAt, mayProbe }
      const { merged, size, bound, urgent } = chooseBatch(lines, options)
      const full = size.rows === maxRecords
      const idle = allIn && idleness?.idle === true
      const waitMs = Math.min(oldest.since + limit.maxDelayMs - now, size.slackMs)
      if (!ended && !full && !urgent && !idle && waitMs > shortestWaitMs) {
        timer = scheduler.schedule(() => advance(), waitMs)
        return undefined
      }
      const parts = takeBatch(lines, merged, { size, firm, bound, leases })
      const rows = count(parts)
      if (rows > 0) {
        turns.take()
        withModel.push(cost.likelyMs(rows))
        busyUntil = startsAt + cost.likelyMs(rows)
        probeFrom = now + cost.likelyMs(1) / probeShare
      }
      const closedBy = ended ? 'end' : full ? 'records' : urgent ? 'deadline' : idle ? 'idle' : 'delay'
      return { generation: parts[0]!.generation, parts, rows, closedBy }
    }

    /** Takes the parts off what waits, and returns how many rows they have. */
    function count(parts: readonly Decoded[]): number {
      let rows = 0
      for (const part of parts) {
        waiting.records -= part.records.length
        waiting.bytes -= part.bytes
        rows += part.rows.count
      }
      return rows
    }

    function recordsWithin({ maxRecords, maxBytes }: Omit<BatchLimits, 'maxDelayMs'>): number {
      const withinBytes = Math.floor((maxBytes * waiting.records) / Math.max(waiting.bytes, 1))
      return Math.max(1, Math.min(maxRecords, withinBytes))
    }

    function advance(allIn = false): void {
      timer?.unsubscribe()
      timer = undefined
      for (let batch = nextBatch(allIn); batch; batch = downstream.closed ? undefined : nextBatch(allIn))
        downstream.next(batch)
      if (ended && !oldestOf(lines)) downstream.complete()
    }

    function closeWhenIdle(): void {
      closingSoon = false
      if (idleness?.idle && !downstream.closed) advance(true)
    }
    idleness?.listen(closeWhenIdle)

    turns.listen(() => {
      withModel.shift()
      busyUntil = withModel.reduce((until, ms) => until + ms, scheduler.now())
      if (!downstream.closed) advance()
    })

    return {
      next(decoded) {
        waiting.records += decoded.records.length
        waiting.bytes += decoded.bytes
        joinLine(lineOf(decoded), decoded, deadline().ms, scheduler.now())
        advance()
        if (idleness?.idle && !closingSoon && oldestOf(lines)) {
          closingSoon = true
          idleness.soon(closeWhenIdle)
        }
      },
      complete() {
        ended = true
        advance()
      },
      teardown() {
        timer?.unsubscribe()
        idleness?.listen(undefined)
        lines.length = 0
      },
    }
  })
}

/** Of a wait that is shorter the sum of it and a time may be that time. */
const shortestWaitMs = 0.001

/** The part that has waited longest. */
function oldestOf(lines: readonly Line[]): Waiting | undefined {
  let oldest: Waiting | undefined
  for (const { parts } of lines) if (parts[0] && !(oldest && oldest.since <= parts[0].since)) oldest = parts[0]
  return oldest
}
