/** What would become of records under a deadline: the scheduling code of the pipe on a virtual clock, with models that only take time. */
import { identity, map, Subject, VirtualTimeScheduler } from 'rxjs'
import type { BatchCosts } from '../stages/batch-size.js'
import { deadlineOf } from '../stages/deadline.js'
import { deadlineBatch } from '../stages/deadline-batch.js'
import { fallBack } from '../stages/fall-back.js'
import { createIdleness } from '../stages/idleness.js'
import { createLeases } from '../stages/leases.js'
import { noOutputs } from '../stages/merge-outputs.js'
import type { BatchLimits } from '../stages/micro-batch.js'
import type { DeadlineRule, Decoded, MicroBatch, Scored } from '../stages/ports.js'
import { createTurns } from '../stages/turns.js'
import { withhold } from '../stages/withhold.js'
import {
  type Arrival,
  decodedArrival,
  simulatedDecoder,
  simulatedFallback,
  simulatedModel,
} from './simulated-records.js'

export type { Arrival } from './simulated-records.js'

export interface SimulatedModel {
  /** as the scheduler believes them */
  readonly costs: BatchCosts
  /** What a batch really takes. */
  readonly takesMs: (rows: number) => number
}

export interface SimulationOptions extends SimulatedModel {
  readonly rule: DeadlineRule
  readonly limits: BatchLimits
  /** batches with the model at once; it takes them one after the other */
  readonly concurrency: number
  /** answers what the model cannot have ready in time, in a thread of its own */
  readonly fallback?: SimulatedModel
  /** What it really takes from scored to acknowledged; nothing by default. Batches are acknowledged in their order. */
  readonly afterMs?: () => number
  /** told of each batch as the model is done with it, and what it took: a profile may learn from that */
  readonly onDone?: (rows: number, ms: number, at: number) => void
  /** … and of each as it is acknowledged, and what that took */
  readonly onAcknowledged?: (ms: number, at: number) => void
}

export interface Fate {
  readonly partition: number
  readonly offset: number
  readonly at: number
  readonly deadline: number
  /** dropped: not scored; withheld: scored too late for a firm deadline; late: scored too late for a soft one, or acknowledged too late */
  readonly result: 'in-time' | 'late' | 'dropped' | 'withheld'
  /** when it was acknowledged; for one that was dropped, with its neighbours */
  readonly readyAt: number
  /** the size of the batch that it was scored in; 0 for one that was dropped */
  readonly rows: number
  /** whether it is the fallback that was asked */
  readonly byFallback: boolean
}

export interface Simulation {
  /** in the order in which they were acknowledged */
  readonly fates: readonly Fate[]
  /** how long the model was busy */
  readonly busyMs: number
  /** from the first arrival until the last result */
  readonly elapsedMs: number
}

/** Runs a trace to its end. Arrivals of a partition are in the order of `at`. */
export function simulate(trace: readonly Arrival[], options: SimulationOptions): Simulation {
  const { rule, limits, concurrency, costs, fallback, afterMs = () => 0, onDone, onAcknowledged } = options
  const scheduler = new VirtualTimeScheduler()
  const leases = createLeases()
  const idleness = createIdleness((work) => void scheduler.schedule(work))
  const model = createServer(options, concurrency)
  const standIn = fallback && createServer(fallback, Number.POSITIVE_INFINITY)
  const fates: Fate[] = []
  // Answers leave, and are acknowledged, in the order in which they were asked for.
  let leftAt = 0
  let acknowledgedAt = 0

  function score(batch: MicroBatch): void {
    const server = standIn && batch.generation === simulatedFallback ? standIn : model
    const now = scheduler.now()
    leftAt = Math.max(leftAt, now)
    if (batch.rows > 0) {
      const { ms, doneAt } = server.serve(batch.rows, now)
      leftAt = Math.max(leftAt, doneAt)
      idleness.begin()
      scheduler.schedule(() => {
        if (server === model) onDone?.(batch.rows, ms, scheduler.now())
        server.turns.give()
        idleness.end()
      }, doneAt - now)
    }
    scheduler.schedule(() => judged.next(batch), leftAt - now)
  }

  function acknowledge(scored: Scored): void {
    const { scoredAt, rows, parts } = scored
    acknowledgedAt = Math.max(acknowledgedAt, scoredAt + (rows > 0 ? afterMs() : 0))
    for (const fate of fatesOf(scored, rule, acknowledgedAt)) fates.push(fate)
    for (const part of parts) leases.release(part.generation)
    if (rows === 0 || !onAcknowledged) return
    scheduler.schedule(() => onAcknowledged(scheduler.now() - scoredAt, scheduler.now()), acknowledgedAt - scoredAt)
  }

  const source = new Subject<Decoded>()
  const judged = new Subject<MicroBatch>()
  const around = { limits: () => limits, leases, scheduler }
  const { turns } = model
  const gather = deadlineBatch({ ...around, deadline: () => rule, costs: () => costs, turns, idleness })
  const fallingBack = standIn
    ? fallBack({
        ...around,
        fallback: () => simulatedFallback,
        costs: () => standIn.costs,
        turns: standIn.turns,
        decoder: simulatedDecoder,
      })
    : identity
  source.pipe(gather, fallingBack).subscribe(score)
  judged.pipe(toScored(scheduler), withhold({ deadline: () => rule, scheduler })).subscribe(acknowledge)

  const arrivals = [...trace].sort((one, other) => one.at - other.at)
  const next = new Map<number, number>()
  /** What comes at one time, then what comes next: of much that is scheduled the clock is slow. */
  function arrive(from: number): void {
    let index = from
    for (; arrivals[index]?.at === arrivals[from]!.at; index++) {
      const arrival = arrivals[index]!
      const offset = next.get(arrival.partition) ?? 0
      next.set(arrival.partition, offset + 1)
      leases.retain(simulatedModel)
      source.next(decodedArrival(arrival, offset))
    }
    if (index === arrivals.length) source.complete()
    else scheduler.schedule(() => arrive(index), arrivals[index]!.at - scheduler.now())
  }
  if (arrivals.length > 0) scheduler.schedule(() => arrive(0), arrivals[0]!.at)
  scheduler.flush()
  const elapsedMs = Math.max(scheduler.now(), acknowledgedAt) - (arrivals[0]?.at ?? 0)
  return { fates, busyMs: model.busyMs, elapsedMs }
}

/** A thread: one batch after the other. */
function createServer({ costs, takesMs }: SimulatedModel, concurrency: number) {
  let freeAt = 0
  let busyMs = 0
  return {
    costs,
    turns: createTurns(concurrency),
    get busyMs() {
      return busyMs
    },
    serve(rows: number, now: number): { readonly ms: number; readonly doneAt: number } {
      const ms = takesMs(rows)
      freeAt = Math.max(freeAt, now) + ms
      busyMs += ms
      return { ms, doneAt: freeAt }
    },
  }
}

const toScored = (scheduler: VirtualTimeScheduler) =>
  map(
    (batch: MicroBatch): Scored => ({
      ...batch,
      outputs: noOutputs(batch.rows),
      failed: new Map(),
      scoredAt: scheduler.now(),
    }),
  )

function* fatesOf(scored: Scored, rule: DeadlineRule, readyAt: number): Generator<Fate> {
  const { generation, parts, rows, failed, late } = scored
  const byFallback = generation === simulatedFallback
  let row = 0
  for (const { partition, records, rejected } of parts)
    for (const [index, record] of records.entries()) {
      const { offset, timestamp: at } = record
      const fate = { partition, offset, at, deadline: deadlineOf(record, rule.ms), readyAt }
      if (rejected.has(index)) yield { ...fate, result: 'dropped', rows: 0, byFallback: false }
      else {
        const isLate = late?.has(row) || readyAt > fate.deadline
        yield { ...fate, result: failed.has(row) ? 'withheld' : isLate ? 'late' : 'in-time', rows, byFallback }
        row++
      }
    }
}
