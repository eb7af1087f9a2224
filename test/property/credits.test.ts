import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCredits } from '../../stages/credits.js'

const limits = { records: 20, bytes: 100 }

describe('credits, for all requests and refunds', () => {
  it('never exceed the whole, save by one request alone; are granted in order of request; all come back', async () => {
    const request = fc.record({ records: fc.nat(25), bytes: fc.nat(120), abort: fc.nat(4).map((dice) => dice === 0) })
    /** which of those granted is refunded next; a request is made when there is none */
    const step = fc.oneof(request, fc.nat(10))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const credits = createCredits(limits)
        const granted: { index: number; records: number; bytes: number }[] = []
        const order: number[] = []
        const aborted = new Set<number>()
        let requests = 0

        const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
        const check = () => {
          const { records, bytes } = credits.out
          const alone = granted.filter((one) => one.records > 0 || one.bytes > 0).length === 1
          expect(alone || (records <= limits.records && bytes <= limits.bytes)).toBe(true)
          expect(records).toBe(granted.reduce((total, one) => total + one.records, 0))
          expect(bytes).toBe(granted.reduce((total, one) => total + one.bytes, 0))
        }
        const refund = (at: number) => {
          const [one] = granted.splice(at % granted.length, 1)
          credits.refund(one!.records, one!.bytes)
        }

        for (const step of steps) {
          if (typeof step === 'number') {
            if (granted.length > 0) refund(step)
          } else {
            const { records, bytes, abort } = step
            const index = requests++
            const controller = new AbortController()
            credits.take(records, bytes, controller.signal).then(
              () => {
                granted.push({ index, records, bytes })
                order.push(index)
              },
              () => aborted.add(index),
            )
            if (abort) {
              await settled()
              controller.abort()
            }
          }
          await settled()
          check()
        }
        while (granted.length > 0) {
          refund(0)
          await settled()
          check()
        }
        expect(credits.out).toEqual({ records: 0, bytes: 0 })
        expect(order).toEqual(order.toSorted((a, b) => a - b))
        expect(order.length + aborted.size).toBe(requests)
      }),
    )
  })
})
