import type { OperatorFunction } from 'rxjs'
import { mergeOutgoing } from './merge-outgoing.js'
import type { Encoded, Publisher } from './ports.js'
import { stage } from './stage.js'

export interface PublishOptions {
  readonly publisher: Publisher
  /** records in one call, more only when a single batch has more */
  readonly maxRecords?: number
}

/**
 * Publishes what was encoded; hands each batch on once it is acknowledged, in order. One call is under way at a time, which keeps the order
 * of each partition; what arrives meanwhile goes into the next call together, so the slower the broker the larger the calls. An error of the
 * publisher errors the stream.
 *
 * @example
 * encoded.pipe(publish({ publisher }))
 */
export function publish({ publisher, maxRecords = 16_384 }: PublishOptions): OperatorFunction<Encoded, Encoded> {
  return stage((downstream) => {
    const waiting: Encoded[] = []
    let busy = false
    let ended = false

    /** The longest run of waiting batches that fits into one call, at least one. */
    function takeCall(): Encoded[] {
      let count = 1
      let records = waiting[0]!.records
      while (count < waiting.length && records + waiting[count]!.records <= maxRecords)
        records += waiting[count++]!.records
      return waiting.splice(0, count)
    }

    async function run(): Promise<void> {
      busy = true
      try {
        while (waiting.length > 0) {
          const call = takeCall()
          const outgoing = mergeOutgoing(call)
          // A gap in the offsets leaves nothing to publish, only coverage to hand on.
          if (outgoing.length > 0) await publisher.publish(outgoing)
          for (const encoded of call) downstream.next(encoded)
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
        if (!busy) void run()
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
