import { type MonoTypeOperatorFunction, tap } from 'rxjs'
import type { Leases } from './leases.js'
import { releaseMemory } from './lent-memory.js'
import type { Credits, Encoded } from './ports.js'
import { giveBackReply } from './record-pool.js'

export interface RefundOptions {
  readonly credits: Credits
  readonly leases: Leases
}

/**
 * The end of a batch: gives back the credit of its records, the records themselves, the lease of each part and the memory that it was lent,
 * once, then passes the batch on: what is left of it is its numbers. A shadow reads beside the stream and may be late: what it reads is left
 * to the garbage collector. What never gets here because the pipe is torn down is not refunded: credits live as long as the pipe, and
 * `leases.releaseAll` gives back the rest.
 *
 * @example
 * committed.pipe(refund({ credits, leases }))
 */
export function refund({ credits, leases }: RefundOptions): MonoTypeOperatorFunction<Encoded> {
  return tap(({ batch, outgoing, records, bytes }) => {
    credits.refund(records, bytes)
    for (const { records } of outgoing) records.forEach(giveBackReply)
    for (const part of batch.parts) {
      leases.release(part.generation)
      if (!part.generation.shadow) releaseMemory(part)
    }
  })
}
