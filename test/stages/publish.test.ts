import { describe, expect, it } from 'vitest'
import type { Encoded, Outgoing } from '../../stages/ports.js'
import { publish } from '../../stages/publish.js'
import { createClock, moments, play } from '../fixtures/async-marbles.js'
import { decoded, encodedOf, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

const one = generation(1)
const encodedAt = (partition: number, offsets: number[], next?: number) =>
  encodedOf(microBatchOf(decoded(fetched(partition, offsets[0] ?? 0, offsets, next), one)))
const shown = (outgoing: readonly Outgoing[]) =>
  outgoing.map(
    ({ partition, records }) => `${partition}: ${records.map(({ value }) => String(value).slice(6)).join(' ')}`,
  )

function run(
  source: string,
  values: Record<string, Encoded>,
  { ms = 3, maxRecords, ...rest }: { ms?: number; maxRecords?: number; error?: unknown; unsubscribeAt?: number } = {},
) {
  const clock = createClock()
  const calls: string[][] = []
  const publisher = {
    publish(outgoing: readonly Outgoing[]) {
      calls.push(shown(outgoing))
      return clock.after(ms)
    },
  }
  return play({ clock, source, values, stage: publish({ publisher, maxRecords }), ...rest }).then((seen) => ({
    seen,
    calls,
  }))
}

describe('publish', () => {
  const values = { a: encodedAt(0, [0, 1]), b: encodedAt(1, [5]), c: encodedAt(0, [2]), d: encodedAt(0, [3]) }

  it('hands a batch on once it is acknowledged', async () => {
    const { seen, calls } = await run('-a-----b----|', values)
    expect(seen).toEqual(moments('----a-----b-|', values))
    expect(calls).toEqual([['0: 0 1'], ['1: 5']])
  })

  it('has one call under way, and sends what arrived meanwhile together, in order', async () => {
    const { seen, calls } = await run('abcd|', values)
    expect(seen).toEqual(moments('---a--(bcd|)', { ...values }))
    expect(calls).toEqual([['0: 0 1'], ['1: 5', '0: 2 3']])
  })

  it('does not put more into one call than it may', async () => {
    const { seen, calls } = await run('abcd|', values, { maxRecords: 2 })
    expect(seen).toEqual(moments('---a--(bc)(d|)', values).map((one, i) => (i < 3 ? one : { ...one, frame: 9 })))
    expect(calls).toEqual([['0: 0 1'], ['1: 5', '0: 2'], ['0: 3']])
  })

  it('hands on at once what has nothing to publish, in its turn', async () => {
    const gaps = { ...values, g: encodedAt(2, [], 9) }
    expect((await run('g--|', gaps)).seen).toEqual(moments('g--|', gaps))
    const { seen, calls } = await run('ag-|', gaps)
    expect(seen).toEqual(moments('---(ag|)', gaps))
    expect(calls).toEqual([['0: 0 1']])
  })

  it('errors when publishing fails, without handing on what was not acknowledged', async () => {
    const clock = createClock()
    const stage = publish({ publisher: { publish: () => clock.after(2).then(() => Promise.reject('gone')) } })
    expect(await play({ clock, source: 'ab-|', values, stage })).toEqual(moments('--#', {}, 'gone'))
  })

  it('passes an upstream error on at once and publishes nothing more', async () => {
    const { seen, calls } = await run('ab#', values, { error: 'gone' })
    expect(seen).toEqual(moments('--#', {}, 'gone'))
    expect(calls).toHaveLength(1)
  })

  it('publishes nothing more once unsubscribed', async () => {
    const { seen, calls } = await run('abc|', values, { unsubscribeAt: 2 })
    expect(seen).toEqual([])
    expect(calls).toHaveLength(1)
  })
})
