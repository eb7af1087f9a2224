import { asyncScheduler, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs'
import { type BatchCosts, likely } from './batch-size.js'
import type { Leases } from './leases.js'
import { isMissed } from './missed.js'
import type { Decoded, DecodedRows, Generation, MicroBatch, RecordDecoder, Rejected } from './ports.js'
import { recordBytes } from './record-bytes.js'
import { sliceDecoded } from './slice-decoded.js'
import { stage } from './stage.js'

export interface FallBackOptions {
  /** Another model under the number of a generation: always the same object for the same generation. */
  readonly fallback: (of: Generation) => Generation
  /** of the other model */
  readonly costs: (of: Generation) => BatchCosts
  readonly decoder: RecordDecoder
  /** Takes one lease of the fallback for each of its parts. */
  readonly leases: Leases
  /** Only its clock is used. */
  readonly scheduler?: SchedulerLike
}

/**
 * Gives records that their model would answer too late to another one that is faster: those that ride along as `Missed`, and that it can have
 * ready in time. They go ahead of their batch, as a batch of their own, so that nothing slow is waited for; since the order of a partition is
 * kept, that is what comes first of each partition. The rest stays what it was.
 *
 * @example
 * decoded.pipe(deadlineBatch(options), fallBack({ fallback, costs, decoder, leases }))
 */
export function fallBack(options: FallBackOptions): MonoTypeOperatorFunction<MicroBatch> {
  const { scheduler = asyncScheduler } = options
  return stage((downstream) => {
    const waiting: MicroBatch[] = []
    let busy = false
    let ended = false

    /** Undefined when it can be told at once. */
    function handOn(batch: MicroBatch): Promise<void> | undefined {
      const fronts = frontsOf(batch.parts, options.costs(batch.generation), scheduler.now())
      if (fronts.size === 0) return void downstream.next(batch)
      const decoding = [...fronts].map(([part, front]) => answerable(part, front, options))
      const emit = (answered: readonly Decoded[]) => {
        if (downstream.closed) return
        for (const one of splitOff(batch, answered, fronts, options.leases)) downstream.next(one)
      }
      if (decoding.some((one) => one instanceof Promise)) return Promise.all(decoding).then(emit)
      emit(decoding as Decoded[])
      return undefined
    }

    async function drain(): Promise<void> {
      busy = true
      try {
        for (let batch = waiting.shift(); batch && !downstream.closed; batch = waiting.shift()) await handOn(batch)
      } catch (error) {
        downstream.error(error)
      }
      busy = false
      if (ended) downstream.complete()
    }

    return {
      next(batch) {
        if (busy) return void waiting.push(batch)
        const later = handOn(batch)
        if (!later) return
        busy = true
        later.then(drain, (error) => downstream.error(error))
      },
      complete() {
        ended = true
        if (!busy) downstream.complete()
      },
      teardown() {
        waiting.length = 0
      },
    }
  })
}

interface Front {
  /** so many records at the beginning of the part */
  readonly length: number
  /** indices of those that the fallback can have ready */
  readonly chosen: readonly number[]
}

/** Of each partition what comes first and is not scored anyway, as far as there is something in it that the fallback can have ready. */
function frontsOf(parts: readonly Decoded[], costs: BatchCosts, now: number): Map<Decoded, Front> {
  const fronts = new Map<Decoded, Front>()
  const blocked = new Set<string>()
  const missed = parts.reduce((sum, { rejected }) => sum + rejected.size, 0)
  if (missed === 0) return fronts
  const { likelyMs, afterMs } = likely(costs)
  const readyAt = now + likelyMs(missed) + afterMs
  for (const part of parts) {
    const name = `${part.topic}/${part.partition}`
    if (blocked.has(name)) continue
    const chosen: number[] = []
    let index = 0
    for (let found = part.rejected.get(0); found; found = part.rejected.get(++index))
      if (isMissed(found) && found.deadline >= readyAt) chosen.push(index)
    const length = index === part.records.length ? index : (chosen.at(-1) ?? -1) + 1
    if (chosen.length > 0) fronts.set(part, { length, chosen })
    if (chosen.length === 0 || length < part.records.length) blocked.add(name)
  }
  return fronts
}

/** The front of a part, decoded for the fallback. */
function answerable(part: Decoded, { length, chosen }: Front, options: FallBackOptions): Decoded | Promise<Decoded> {
  const generation = options.fallback(part.generation)
  const records = chosen.map((index) => part.records[index]!)
  const bytes =
    length === part.records.length
      ? part.bytes
      : part.records.slice(0, length).reduce((sum, record) => sum + recordBytes(record), 0)
  const merge = ({ rows, rejected: bad, echo }: DecodedRows): Decoded => {
    const rejected = new Map<number, Rejected>()
    let asked = 0
    for (let index = 0; index < length; index++) {
      const why = chosen[asked] === index ? bad.get(asked++) : part.rejected.get(index)
      if (why) rejected.set(index, why)
    }
    return { ...sliceDecoded(part, 0, length, Math.min(bytes, part.bytes)), generation, rows, rejected, echo }
  }
  const decoded = options.decoder.decode(records, generation.plan)
  return decoded instanceof Promise ? decoded.then(merge) : merge(decoded)
}

/** The batch of the fallback, and what is left of the other. The last piece of a part inherits its lease. */
function splitOff(
  { parts, rows, closedBy }: MicroBatch,
  answered: readonly Decoded[],
  fronts: ReadonlyMap<Decoded, Front>,
  leases: Leases,
): MicroBatch[] {
  for (const { generation } of answered) leases.retain(generation)
  const asked = answered.reduce((sum, part) => sum + part.rows.count, 0)
  const index = new Map([...fronts.keys()].map((part, at) => [part, at]))
  const rest = parts.flatMap((part) => {
    const front = fronts.get(part)
    if (!front) return [part]
    const { length } = part.records
    if (front.length < length)
      return [sliceDecoded(part, front.length, length, part.bytes - answered[index.get(part)!]!.bytes)]
    leases.release(part.generation)
    return []
  })
  const first = { generation: answered[0]!.generation, parts: answered, rows: asked, closedBy }
  return rest.length > 0 ? [first, { generation: rest[0]!.generation, parts: rest, rows, closedBy }] : [first]
}
