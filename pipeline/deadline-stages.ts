/** What a pipe has besides, or instead, where results have a deadline. */
import { asyncScheduler, type MonoTypeOperatorFunction, type OperatorFunction, pipe } from 'rxjs'
import { admit } from '../stages/admit.js'
import { deadlineBatch } from '../stages/deadline-batch.js'
import { fallBack } from '../stages/fall-back.js'
import type { Idleness } from '../stages/idleness.js'
import type { Leases } from '../stages/leases.js'
import type { BatchLimits } from '../stages/micro-batch.js'
import type { DeadlineRule, Decoded, MicroBatch, RecordDecoder, Scored } from '../stages/ports.js'
import { createTurns } from '../stages/turns.js'
import { withhold } from '../stages/withhold.js'
import type { DeadlineCosts } from './deadline-costs.js'
import type { Fallback } from './deadline-fallback.js'

export interface Deadlines {
  /** of now: it may change under a running pipe, but for its class */
  readonly rule: () => DeadlineRule
  readonly costs: DeadlineCosts
  readonly fallback?: Fallback
}

export interface DeadlineStages {
  /** in front of the decoder of the pipe */
  readonly decoder: RecordDecoder
  /** in place of `microBatch` */
  readonly gather: OperatorFunction<Decoded, MicroBatch>
  /** calls under way at once: the fallback has a thread of its own */
  readonly concurrency: number
  /** for `infer` */
  readonly onDone: (batch: MicroBatch) => void
  /** behind `infer` */
  readonly judge: MonoTypeOperatorFunction<Scored>
}

export interface Surroundings {
  readonly decoder: RecordDecoder
  readonly limits: () => BatchLimits
  readonly concurrency: number
  readonly leases: Leases
  readonly idleness: Idleness
}

export function deadlineStages({ rule, costs, fallback }: Deadlines, around: Surroundings): DeadlineStages {
  const { decoder, limits, concurrency, leases, idleness } = around
  const firm = rule().class === 'firm'
  const turns = createTurns(concurrency)
  const gathered = deadlineBatch({ limits, deadline: rule, costs: costs.of, turns, leases, idleness })
  // It is asked as often as there is something for it: what it cannot have ready behind that, it is not given.
  const fallbackTurns = createTurns(Number.POSITIVE_INFINITY)
  const standIn =
    fallback &&
    fallBack({ fallback: fallback.of, costs: fallback.costs, turns: fallbackTurns, limits, decoder, leases })
  return {
    concurrency: concurrency + (fallback ? 1 : 0),
    decoder: firm ? admit({ decoder, deadlineMs: () => rule().ms, now: asyncScheduler.now }) : decoder,
    gather: standIn ? pipe(gathered, standIn) : gathered,
    onDone(batch) {
      if (fallback && batch.generation.standsInFor) {
        fallback.done(batch)
        return fallbackTurns.give()
      }
      costs.done(batch)
      turns.give()
    },
    judge: withhold({ deadline: rule }),
  }
}
