import { asyncScheduler, type OperatorFunction, type SchedulerLike } from 'rxjs'
import type { Idleness } from './idleness.js'
import { noOutputs } from './merge-outputs.js'
import type { MicroBatch, Scored } from './ports.js'
import { scoreBatch } from './score-batch.js'
import { stage } from './stage.js'

export interface InferOptions {
  /** calls under way at once */
  readonly concurrency: number
  /** told of a batch once its calls are over; batches without rows have none */
  readonly onDone?: (batch: MicroBatch) => void
  /** told of each call */
  readonly idleness?: Idleness
  /** Only its clock is used, for `scoredAt`. */
  readonly scheduler?: SchedulerLike
}

interface Slot {
  readonly batch: MicroBatch
  /** one; in a canary, as many as its models take turns */
  scored: readonly Scored[] | undefined
}

/**
 * Scores batches with their own generation's scorer: up to `concurrency` calls under way, results in input order. What waits, before a
 * call or behind a slower one, is bounded by the credits given out at the source. A batch without rows passes without a call. Rows that the
 * model fails on end in `failed` (see `bisect`); any other error of the scorer errors the stream.
 *
 * @example
 * batches.pipe(infer({ concurrency: 2 }))
 */
export function infer({
  concurrency,
  onDone,
  idleness,
  scheduler = asyncScheduler,
}: InferOptions): OperatorFunction<MicroBatch, Scored> {
  return stage((downstream) => {
    // In input order: the first `started` are under way or done, the rest wait.
    const slots: Slot[] = []
    let started = 0
    let running = 0
    let ended = false

    const stopped = () => downstream.closed
    const now = () => scheduler.now()

    async function score(slot: Slot): Promise<void> {
      running++
      idleness?.begin()
      try {
        slot.scored = await scoreBatch(slot.batch, now, stopped)
      } catch (error) {
        downstream.error(error)
      }
      running--
      onDone?.(slot.batch)
      advance()
      idleness?.end()
    }

    function advance(): void {
      while (running < concurrency && started < slots.length) {
        const slot = slots[started++]!
        if (slot.batch.rows > 0) void score(slot)
        else slot.scored = [withoutRows(slot.batch, now())]
      }
      for (let scored = slots[0]?.scored; scored; scored = slots[0]?.scored) {
        slots.shift()
        started--
        for (const one of scored) downstream.next(one)
      }
      if (ended && slots.length === 0) downstream.complete()
    }

    return {
      next(batch) {
        slots.push({ batch, scored: undefined })
        advance()
      },
      complete() {
        ended = true
        advance()
      },
      teardown() {
        // What is under way settles into nothing.
        slots.length = started = 0
      },
    }
  })
}

const withoutRows = ({ generation, parts, closedBy }: MicroBatch, scoredAt: number): Scored => ({
  generation,
  parts,
  rows: 0,
  closedBy,
  outputs: noOutputs(0),
  failed: new Map(),
  scoredAt,
})
