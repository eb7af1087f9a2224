/** What would become of records under a deadline: the scheduling code of the pipe on a virtual clock, with a model that only takes time. */
import { map, Subject, VirtualTimeScheduler } from 'rxjs'
import type { BatchCosts } from '../stages/batch-size.js'
import { deadlineHeader, deadlineOf } from '../stages/deadline.js'
import { deadlineBatch } from '../stages/deadline-batch.js'
import { createIdleness } from '../stages/idleness.js'
import { createLeases } from '../stages/leases.js'
import { noOutputs } from '../stages/merge-outputs.js'
import type { BatchLimits } from '../stages/micro-batch.js'
import type { DeadlineRule, Decoded, Generation, MicroBatch, Scored, SourceRecord } from '../stages/ports.js'
import { createTurns } from '../stages/turns.js'
import { withhold } from '../stages/withhold.js'

/** A record of a trace. Times in milliseconds. */
export interface Arrival {
  readonly at: number
  readonly partition: number
  /** its own, from `at` on; may only shorten that of the rule */
  readonly deadlineMs?: number
}

export interface SimulationOptions {
  readonly rule: DeadlineRule
  readonly limits: BatchLimits
  /** batches with the model at once; it takes them one after the other */
  readonly concurrency: number
  /** as the scheduler believes them */
  readonly costs: BatchCosts
  /** What a batch really takes. */
  readonly takesMs: (rows: number) => number
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
  const { rule, limits, concurrency, costs, takesMs, afterMs = () => 0, onDone, onAcknowledged } = options
  const scheduler = new VirtualTimeScheduler()
  const leases = createLeases()
  const turns = createTurns(concurrency)
  const idleness = createIdleness((work) => void scheduler.schedule(work))
  const source = new Subject<Decoded>()
  const fates: Fate[] = []
  const arrivals = [...trace].sort((one, other) => one.at - other.at)
  const next = new Map<number, number>()
  let freeAt = 0
  let acknowledgedAt = 0
  let busyMs = 0

  const judged = new Subject<MicroBatch>()
  judged.pipe(toScored(scheduler), withhold({ deadline: () => rule, scheduler })).subscribe((scored) => {
    const { scoredAt } = scored
    acknowledgedAt = Math.max(acknowledgedAt, scoredAt + (scored.rows > 0 ? afterMs() : 0))
    for (const fate of fatesOf(scored, rule, acknowledgedAt)) fates.push(fate)
    for (const part of scored.parts) leases.release(part.generation)
    if (scored.rows === 0 || !onAcknowledged) return
    scheduler.schedule(() => onAcknowledged(scheduler.now() - scoredAt, scheduler.now()), acknowledgedAt - scoredAt)
  })
  const of = { limits: () => limits, deadline: () => rule, costs: () => costs }
  source.pipe(deadlineBatch({ ...of, turns, leases, idleness, scheduler })).subscribe((batch) => {
    const takes = batch.rows > 0 ? takesMs(batch.rows) : 0
    freeAt = Math.max(freeAt, scheduler.now()) + takes
    busyMs += takes
    if (batch.rows > 0) idleness.begin()
    scheduler.schedule(() => {
      judged.next(batch)
      if (batch.rows === 0) return
      onDone?.(batch.rows, takes, scheduler.now())
      turns.give()
      idleness.end()
    }, freeAt - scheduler.now())
  })
  /** What comes at one time, then what comes next: of much that is scheduled the clock is slow. */
  function arrive(from: number): void {
    let index = from
    for (; arrivals[index]?.at === arrivals[from]!.at; index++) {
      const arrival = arrivals[index]!
      const offset = next.get(arrival.partition) ?? 0
      next.set(arrival.partition, offset + 1)
      leases.retain(generation)
      source.next(decodedOf(arrival, offset))
    }
    if (index === arrivals.length) source.complete()
    else scheduler.schedule(() => arrive(index), arrivals[index]!.at - scheduler.now())
  }
  if (arrivals.length > 0) scheduler.schedule(() => arrive(0), arrivals[0]!.at)
  scheduler.flush()
  return { fates, busyMs, elapsedMs: Math.max(scheduler.now(), acknowledgedAt) - (arrivals[0]?.at ?? 0) }
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

function* fatesOf({ parts, rows, failed, late }: Scored, rule: DeadlineRule, readyAt: number): Generator<Fate> {
  let row = 0
  for (const { partition, records, rejected } of parts)
    for (const [index, record] of records.entries()) {
      const { offset, timestamp: at } = record
      const fate = { partition, offset, at, deadline: deadlineOf(record, rule.ms), readyAt }
      if (rejected.has(index)) yield { ...fate, result: 'dropped', rows: 0 }
      else {
        const isLate = late?.has(row) || readyAt > fate.deadline
        yield { ...fate, result: failed.has(row) ? 'withheld' : isLate ? 'late' : 'in-time', rows }
        row++
      }
    }
}

const generation: Generation = {
  number: 1,
  model: 'simulated@1',
  digest: '',
  plan: { readerSchema: 'null', inputs: [] },
  scorer: { score: async ({ count }) => noOutputs(count), close: async () => undefined },
  retain: () => undefined,
  release: () => undefined,
}

function decodedOf({ at, partition, deadlineMs }: Arrival, offset: number): Decoded {
  const headers = deadlineMs === undefined ? undefined : { [deadlineHeader]: String(Math.floor(at + deadlineMs)) }
  const record: SourceRecord = { offset, timestamp: at, key: null, value: null, headers }
  return {
    topic: 'trace',
    partition,
    start: offset,
    next: offset + 1,
    records: [record],
    bytes: 0,
    generation,
    rejected: new Map(),
    rows: { count: 1, columns: [] },
    echo: undefined,
  }
}
