import type { OperatorFunction } from 'rxjs'
import type { Leases } from './leases.js'
import type { Decoded, DecodedRows, Fetched, ModelChoice, RecordDecoder } from './ports.js'
import { type Run, splitFetched } from './split-fetched.js'
import { stage } from './stage.js'

export interface DecodeOptions {
  readonly choice: ModelChoice
  readonly decoder: RecordDecoder
  /** Takes one lease per `Decoded`. */
  readonly leases: Leases
  /** Longer runs are split, so that the first part is scored while the next is decoded. Default: never. */
  readonly maxRecords?: number
}

/**
 * Turns fetched bytes into rows for the generation that scores them.
 *
 * A `Fetched` is split where the generation changes; order is kept, the parts cover the same offsets, and a part without records passes
 * with zero rows so that its coverage is committed. The generation is chosen as each part is decoded. As long as the decoder answers
 * synchronously, so does this stage; while it awaits (a writer schema is fetched), what arrives waits behind it. That queue is bounded by
 * the credits given out at the source. Bad records ride along in `rejected`; a decoder that throws or rejects errors the stream.
 *
 * @example
 * source.records(credits).pipe(decode({ choice, decoder, leases }))
 */
export function decode({
  choice,
  decoder,
  leases,
  maxRecords = Number.POSITIVE_INFINITY,
}: DecodeOptions): OperatorFunction<Fetched, Decoded> {
  return stage((downstream) => {
    const waiting: Fetched[] = []
    let runs: Iterator<Run, void> | undefined
    let busy = false
    let ended = false

    function nextRun(): Run | undefined {
      for (;;) {
        if (!runs) {
          const fetched = waiting.shift()
          if (!fetched) return undefined
          runs = splitFetched(fetched, choice, maxRecords)
        }
        const step = runs.next()
        if (!step.done) return step.value
        runs = undefined
      }
    }

    function emit(run: Run, { rows, rejected, echo }: DecodedRows): void {
      const { topic, partition, start, next, records, bytes, generation } = run
      downstream.next({ topic, partition, start, next, records, bytes, generation, rows, rejected, echo })
    }

    async function settle(run: Run, decoding: Promise<DecodedRows>): Promise<void> {
      try {
        emit(run, await decoding)
        busy = false
        drain()
      } catch (error) {
        downstream.error(error)
      }
    }

    function drain(): void {
      if (busy) return
      busy = true
      while (!downstream.closed) {
        const run = nextRun()
        if (!run) break
        leases.retain(run.generation)
        const decoded = decoder.decode(run.records, run.generation.plan)
        if (decoded instanceof Promise) {
          void settle(run, decoded)
          return
        }
        emit(run, decoded)
      }
      busy = false
      if (ended) downstream.complete()
    }

    return {
      next(fetched) {
        waiting.push(fetched)
        drain()
      },
      complete() {
        ended = true
        drain()
      },
    }
  })
}
