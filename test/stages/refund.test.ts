import { TestScheduler } from 'rxjs/testing'
import { describe, expect, it } from 'vitest'
import { createCredits } from '../../stages/credits.js'
import { createLeases } from '../../stages/leases.js'
import type { Encoded } from '../../stages/ports.js'
import { refund } from '../../stages/refund.js'
import { decoded, encodedOf, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

describe('refund', () => {
  it('gives back the credit of the records and one lease per part, then passes the batch on', async () => {
    const [credits, leases, one] = [createCredits({ records: 10, bytes: 1_000 }), createLeases(), generation(1)]
    const parts = [decoded(fetched(0, 0, [0, 1]), one), decoded(fetched(1, 0, [0]), one)]
    const a = encodedOf(microBatchOf(...parts))
    await credits.take(10, 1_000)
    for (let i = 0; i < 3; i++) leases.retain(one)
    new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(({ cold, expectObservable }) => {
      expectObservable(cold('-a-|', { a }).pipe(refund({ credits, leases }))).toBe('-a-|', { a })
      expectObservable(cold<Encoded>('---#').pipe(refund({ credits, leases }))).toBe('---#')
    })
    expect(credits.out).toEqual({ records: 7, bytes: 1_000 - a.bytes })
    expect(one.leases).toBe(1)
  })
})
