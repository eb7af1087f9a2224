import { asyncScheduler, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs'
import type { BatchCosts } from './batch-size.js'
import { type Front, frontsInTime } from './fronts-in-time.js'
import type { Leases } from './leases.js'
import type { BatchLimits } from './micro-batch.js'
import type { Decoded, DecodedRows, Generation, MicroBatch, RecordDecoder, Rejected } from './ports.js'
import { recordBytes } from './record-bytes.js'
import { sliceDecoded } from './slice-decoded.js'
import { stage } from './stage.js'
import type { Turns } from './turns.js'

export interface FallBackOptions {
  /** Another model under the number of a generation: always the same object for the same generation. */
  readonly fallback: (of: Generation) => Generation
  /** of the other model */
  readonly costs: (of: Generation) => BatchCosts
  /** Takes one for each batch with rows; whoever scores it gives it back: so it is known how busy the fallback is. */
  readonly turns: Turns
  readonly limits: () => Pick<BatchLimits, 'maxRecords'>
  readonly decoder: RecordDecoder
  /** Takes one lease of the fallback for each of its parts. */
  readonly leases: Leases
  /** Only its clock is used. */
  readonly scheduler?: SchedulerLike
}

/**
 * Gives records that their model would answer too late to another one that is faster: those that ride along as `Missed`, and that it can have
 * ready in time behind what it is busy with. They go ahead of their batch, as batches of their own, so that nothing slow is waited for; since the
 * order of a partition is kept, that is what comes first of each partition. The rest stays what it was, as does what the fallback cannot read.
 *
 * @example
 * decoded.pipe(deadlineBatch(options), fallBack({ fallback, costs, turns, limits, decoder, leases }))
 */
export function fallBack(options: FallBackOptions): MonoTypeOperatorFunction<MicroBatch> {
  const { limits, turns, leases, scheduler = asyncScheduler } = options
  return stage((downstream) => {
    const waiting: MicroBatch[] = []
    /** of the batches that are with the fallback, what each will likely take */
    const withFallback: number[] = []
    let busyUntil = 0
    let busy = false
    let ended = false

    /** Emits what goes ahead, or all that there is; the rest, if any, is to be looked at again. */
    function step(batch: MicroBatch): MicroBatch | undefined | Promise<MicroBatch | undefined> {
      const startsAt = Math.max(scheduler.now(), busyUntil)
      const costs = options.costs(batch.generation)
      const fronts = frontsInTime(batch.parts, { costs, startsAt, maxRecords: limits().maxRecords })
      if (fronts.size === 0) return void downstream.next(batch)
      const decoding = [...fronts].map(([part, front]) => answerable(part, front, options))
      const emit = (answered: readonly Decoded[]) => {
        if (downstream.closed) return undefined
        const [first, rest] = splitOff(batch, answered, fronts, leases)
        if (first.rows > 0) {
          turns.take()
          withFallback.push(costs.likelyMs(first.rows))
          busyUntil = startsAt + costs.likelyMs(first.rows)
        }
        downstream.next(first)
        return rest
      }
      return decoding.some((one) => one instanceof Promise)
        ? Promise.all(decoding).then(emit)
        : emit(decoding as Decoded[])
    }

    function drain(): void {
      busy = true
      for (let batch = waiting.shift(); batch && !downstream.closed; batch = waiting.shift()) {
        const rest = step(batch)
        if (rest instanceof Promise) return void rest.then(resume).catch((error) => downstream.error(error))
        if (rest) waiting.unshift(rest)
      }
      busy = false
      if (ended) downstream.complete()
    }

    function resume(rest: MicroBatch | undefined): void {
      if (rest) waiting.unshift(rest)
      drain()
    }

    turns.listen(() => {
      withFallback.shift()
      busyUntil = withFallback.reduce((until, ms) => until + ms, scheduler.now())
    })

    return {
      next(batch) {
        waiting.push(batch)
        if (!busy) drain()
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
      const isAnswered = chosen[asked] === index && !bad.has(asked++)
      const why = part.rejected.get(index)
      if (why && !isAnswered) rejected.set(index, why)
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
): readonly [MicroBatch, MicroBatch?] {
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
