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
 * partition. Batches are handed on in order, once everything of them is committed; meanwhile the next ones go on, so that scoring does not
 * wait for a transaction. What waits is bounded by the credits given out at the source. An error of the transactor errors the stream.
 *
 * @example
 * encoded.pipe(transact({ transactor }))
 */
export function transact({ transactor, onCommitted }: TransactOptions): OperatorFunction<Encoded, Encoded> {
  return stage((downstream) => {
    const waiting: Waiting[] = []
    let ended = false

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
      for (let head = waiting[0]; head?.committed && !downstream.closed; head = waiting[0]) {
        waiting.shift()
        downstream.next(head.encoded)
      }
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
