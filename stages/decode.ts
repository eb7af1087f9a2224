import type { OperatorFunction } from 'rxjs'
import type { Leases } from './leases.js'
import type { Choice, Decoded, DecodedRows, Fetched, ModelChoice, RecordDecoder } from './ports.js'
import { frontOffset, type Run, splitFront } from './split-fetched.js'
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
 * with zero rows so that its coverage is committed. The generation is chosen as each part is decoded. As long as choice and decoder answer
 * synchronously, so does this stage; while it awaits (a bundle is loaded, a writer schema is fetched), what arrives waits behind it. That
 * queue is bounded by the credits given out at the source. Bad records ride along in `rejected`; a choice or a decoder that throws or
 * rejects errors the stream.
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
  const choose = choice.choose.bind(choice)
  return stage((downstream) => {
    const waiting: Fetched[] = []
    let busy = false
    let ended = false

    function emit(run: Run, { rows, rejected, echo }: DecodedRows): void {
      const { topic, partition, start, next, records, bytes, generation } = run
      downstream.next({ topic, partition, start, next, records, bytes, generation, rows, rejected, echo })
    }

    /** Decodes the front of what waits; a promise while it is awaited. */
    function step(choice: Choice): Promise<void> | undefined {
      const { run, rest } = splitFront(waiting[0]!, choice, maxRecords)
      if (rest) waiting[0] = rest
      else waiting.shift()
      leases.retain(run.generation)
      const decoded = decoder.decode(run.records, run.generation.plan)
      if (decoded instanceof Promise) return decoded.then((rows) => emit(run, rows))
      emit(run, decoded)
      return undefined
    }

    async function resume(awaited: Promise<void>): Promise<void> {
      try {
        await awaited
        busy = false
        drain()
      } catch (error) {
        downstream.error(error)
      }
    }

    function drain(): void {
      if (busy) return
      busy = true
      while (!downstream.closed && waiting[0]) {
        const { topic, partition } = waiting[0]
        const choice = choose(topic, partition, frontOffset(waiting[0]))
        const awaited = choice instanceof Promise ? choice.then(chosenLate) : step(choice)
        if (awaited) {
          void resume(awaited)
          return
        }
      }
      busy = false
      if (ended) downstream.complete()
    }

    async function chosenLate(choice: Choice): Promise<void> {
      if (!downstream.closed) await step(choice)
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
