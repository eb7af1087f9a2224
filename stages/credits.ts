import type { Credits } from './ports.js'

export interface CreditLimits {
  readonly records: number
  readonly bytes: number
}

export interface CountedCredits extends Credits {
  /** what has been taken and not yet refunded */
  readonly out: { readonly records: number; readonly bytes: number }
}

interface Waiter {
  readonly records: number
  readonly bytes: number
  grant(): void
}

/**
 * Credits for what may be in the pipe at once: the back-pressure of the pipe, and the bound of its memory.
 *
 * Requests are granted first come, first served, so a large one is not starved by small ones. A request larger than the whole is granted
 * when nothing else is out: a record larger than the budget goes alone instead of never. An aborted request rejects with the signal's
 * reason. Refunding more than is out is a defect and throws `RangeError`.
 *
 * @example
 * const credits = createCredits({ records: 10_000, bytes: 32 * 1024 * 1024 })
 * await credits.take(500, 64_000, signal)
 * credits.refund(500, 64_000)
 */
export function createCredits(limits: CreditLimits): CountedCredits {
  const out = { records: 0, bytes: 0 }
  const waiters: Waiter[] = []

  const fits = (records: number, bytes: number) =>
    (out.records === 0 && out.bytes === 0) ||
    (out.records + records <= limits.records && out.bytes + bytes <= limits.bytes)

  function spend(records: number, bytes: number): void {
    out.records += records
    out.bytes += bytes
  }

  function grantWaiting(): void {
    for (let head = waiters[0]; head && fits(head.records, head.bytes); head = waiters[0]) {
      waiters.shift()
      spend(head.records, head.bytes)
      head.grant()
    }
  }

  function wait(records: number, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiters.splice(waiters.indexOf(waiter), 1)
        reject(signal?.reason)
        // The one that gave up may have been all that stood before smaller ones.
        grantWaiting()
      }
      const waiter: Waiter = {
        records,
        bytes,
        grant() {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      waiters.push(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  return {
    get out() {
      return { ...out }
    },
    async take(records, bytes, signal) {
      signal?.throwIfAborted()
      if (waiters.length > 0 || !fits(records, bytes)) return wait(records, bytes, signal)
      spend(records, bytes)
    },
    refund(records, bytes) {
      if (records > out.records || bytes > out.bytes) {
        throw new RangeError(`refund of ${records} records, ${bytes} bytes; out are ${out.records}, ${out.bytes}`)
      }
      out.records -= records
      out.bytes -= bytes
      grantWaiting()
    },
  }
}
