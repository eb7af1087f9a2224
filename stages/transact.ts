import type { OperatorFunction } from 'rxjs'
import type { Covered, Encoded, Transactor } from './ports.js'
import { stage } from './stage.js'

export interface TransactOptions {
  readonly transactor: Transactor
  /** told of what a transaction has committed */
  readonly onCommitted?: (offsets: readonly Covered[]) => void
}

interface Waiting {
  readonly encoded: Encoded
  committed: boolean
}

/**
 * Publishes exactly once: what was made of a range of an input partition goes, with the offset it was made of, into the open transaction of that
 * partition. Batches are handed on once everything of them is committed, those of a partition in order: partitions commit at different moments,
 * and what one has committed does not wait for another with its credit in hand. Meanwhile the next ones go on, so that scoring does not wait
 * for a transaction. What waits is bounded by the credits given out at the source. An error of the transactor errors the stream.
 *
 * @example
 * encoded.pipe(transact({ transactor }))
 */
export function transact({ transactor, onCommitted }: TransactOptions): OperatorFunction<Encoded, Encoded> {
  return stage((downstream) => {
    const waiting: Waiting[] = []
    let ended = false

    function handOn(): void {
      const held = new Set<number>()
      for (let i = 0; i < waiting.length && !downstream.closed; ) {
        const { encoded, committed } = waiting[i]!
        if (committed && !encoded.covered.some(({ partition }) => held.has(partition))) {
          waiting.splice(i, 1)
          downstream.next(encoded)
          continue
        }
        for (const { partition } of encoded.covered) held.add(partition)
        i++
      }
    }

    async function run(one: Waiting): Promise<void> {
      const { covered, outgoing } = one.encoded
      try {
        await Promise.all(
          covered.map((range) =>
            transactor.publish({
              covered: range,
              outgoing: outgoing.filter(({ partition }) => partition === range.partition),
            }),
          ),
        )
      } catch (error) {
        downstream.error(error)
        return
      }
      one.committed = true
      onCommitted?.(covered)
      handOn()
      if (ended && waiting.length === 0) downstream.complete()
    }

    return {
      next(encoded) {
        const one = { encoded, committed: false }
        waiting.push(one)
        void run(one)
      },
      complete() {
        ended = true
        if (waiting.length === 0) downstream.complete()
      },
      teardown() {
        waiting.length = 0
      },
    }
  })
}
