import type { MonoTypeOperatorFunction } from 'rxjs'
import type { Encoded, FenceGate } from './ports.js'
import { stage } from './stage.js'

export interface AwaitFencesOptions {
  readonly gate: FenceGate
}

/**
 * Holds a batch back until the fences of its generation are in the log: no prediction of a generation is published before its fence. Order
 * is kept; without a fence under way, which is nearly always, batches pass synchronously. A fence that cannot be written errors the stream.
 *
 * @example
 * encoded.pipe(awaitFences({ gate }))
 */
export function awaitFences({ gate }: AwaitFencesOptions): MonoTypeOperatorFunction<Encoded> {
  return stage((downstream) => {
    const waiting: Encoded[] = []
    let busy = false
    let ended = false

    function pendingOf({ batch }: Encoded): Promise<void>[] {
      const pending: Promise<void>[] = []
      for (const { topic, partition, generation } of batch.parts) {
        const written = gate.written(topic, partition, generation)
        if (written) pending.push(written)
      }
      return pending
    }

    async function drain(): Promise<void> {
      busy = true
      try {
        for (let head = waiting[0]; head; head = waiting[0]) {
          const pending = pendingOf(head)
          if (pending.length > 0) await Promise.all(pending)
          if (downstream.closed) return
          waiting.shift()
          downstream.next(head)
        }
      } catch (error) {
        downstream.error(error)
      }
      busy = false
      if (ended) downstream.complete()
    }

    return {
      next(encoded) {
        waiting.push(encoded)
        if (!busy) void drain()
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
