import { describe, expect, it } from 'vitest'
import { createCredits } from '../../stages/credits.js'

describe('credits', () => {
  const order: string[] = []
  const take = (
    credits: ReturnType<typeof createCredits>,
    name: string,
    records: number,
    bytes = 0,
    signal?: AbortSignal,
  ) =>
    credits.take(records, bytes, signal).then(
      () => order.push(name),
      (reason: Error) => order.push(`${name}: ${reason.message}`),
    )
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

  it('are granted at once while there is room, in records and in bytes', async () => {
    const credits = createCredits({ records: 10, bytes: 100 })
    await credits.take(4, 40)
    await credits.take(6, 60)
    expect(credits.out).toEqual({ records: 10, bytes: 100 })
  })

  it.each([
    ['records', [10, 1], [1, 1]],
    ['bytes', [1, 100], [1, 1]],
  ] as const)('wait when %s are out, until enough comes back', async (_what, [records, bytes], [more, moreBytes]) => {
    order.length = 0
    const credits = createCredits({ records: 10, bytes: 100 })
    await credits.take(records, bytes)
    const taken = take(credits, 'second', more, moreBytes)
    await settled()
    expect(order).toEqual([])
    credits.refund(records, bytes)
    await taken
    expect(order).toEqual(['second'])
    expect(credits.out).toEqual({ records: more, bytes: moreBytes })
  })

  it('are granted first come, first served: a large request is not starved by small ones', async () => {
    order.length = 0
    const credits = createCredits({ records: 10, bytes: 100 })
    await credits.take(6, 0)
    const all = [take(credits, 'large', 8), take(credits, 'small', 1)]
    await settled()
    expect(order).toEqual([])
    credits.refund(6, 0)
    await Promise.all(all)
    expect(order).toEqual(['large', 'small'])
  })

  it('let a request larger than the whole through once nothing else is out', async () => {
    order.length = 0
    const credits = createCredits({ records: 10, bytes: 100 })
    await credits.take(1, 1)
    const taken = take(credits, 'huge', 1, 5_000)
    await settled()
    expect(order).toEqual([])
    credits.refund(1, 1)
    await taken
    expect(credits.out).toEqual({ records: 1, bytes: 5_000 })
  })

  it('an aborted request rejects with the reason, takes nothing, and lets those behind it pass', async () => {
    order.length = 0
    const credits = createCredits({ records: 10, bytes: 100 })
    await credits.take(6, 0)
    const abort = new AbortController()
    const all = [take(credits, 'aborted', 9, 0, abort.signal), take(credits, 'behind', 4)]
    abort.abort(new Error('revoked'))
    await Promise.all(all)
    expect(order.sort()).toEqual(['aborted: revoked', 'behind'])
    expect(credits.out).toEqual({ records: 10, bytes: 0 })
  })

  it('refuse a signal that is aborted already, and forget a signal once they are granted', async () => {
    const credits = createCredits({ records: 10, bytes: 100 })
    await expect(credits.take(1, 1, AbortSignal.abort(new Error('over')))).rejects.toThrow('over')
    const abort = new AbortController()
    await credits.take(10, 0)
    const taken = credits.take(2, 0, abort.signal)
    credits.refund(10, 0)
    await taken
    abort.abort()
    expect(credits.out).toEqual({ records: 2, bytes: 0 })
  })

  it('refuse to take back more than is out', async () => {
    const credits = createCredits({ records: 10, bytes: 100 })
    await credits.take(2, 20)
    expect(() => credits.refund(3, 20)).toThrow(RangeError)
    expect(() => credits.refund(2, 21)).toThrow(RangeError)
  })
})
