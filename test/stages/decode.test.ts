import { EMPTY, finalize, firstValueFrom, from, lastValueFrom, of, Subject, throwError, toArray } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import { describe, expect, it } from 'vitest'
import { decode } from '../../stages/decode.js'
import { createLeases } from '../../stages/leases.js'
import type { Decoded, Fetched, RecordDecoder } from '../../stages/ports.js'
import { createClock, moments, play } from '../fixtures/async-marbles.js'
import {
  always,
  bad,
  decoded,
  decodeRecords,
  decoder,
  fencedAt,
  fetched,
  generation,
} from '../fixtures/stage-values.js'

const offsets = (part: Decoded) => part.records.map((record) => record.offset)
const all = (runs: Fetched[], options: Partial<Parameters<typeof decode>[0]> = {}) => {
  const leases = createLeases()
  return lastValueFrom(
    from(runs).pipe(decode({ choice: always(generation(1)), decoder, leases, ...options }), toArray()),
  )
}

describe('decode', () => {
  it('answers in the same frame when the decoder is synchronous', () => {
    new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(({ cold, expectObservable }) => {
      const one = generation(1)
      const [a, b] = [fetched(0, 0, [0, 1]), fetched(1, 5, [5, bad(6)])]
      const source = cold('  -a-b---|', { a, b })
      const expected = '     -a-b---|'
      const stage = decode({ choice: always(one), decoder, leases: createLeases() })
      expectObservable(source.pipe(stage)).toBe(expected, { a: decoded(a, one), b: decoded(b, one) })
    })
  })

  it('keeps order while it awaits: what arrives waits behind it, and the end too', async () => {
    const clock = createClock()
    const one = generation(1)
    const [a, b, c] = [fetched(0, 0, [0]), fetched(0, 1, [1]), fetched(1, 0, [0])]
    const slowFirst: RecordDecoder = {
      decode: (records) =>
        records[0] === a.records[0] ? clock.after(4).then(() => decodeRecords(records)) : decodeRecords(records),
    }
    const stage = decode({ choice: always(one), decoder: slowFirst, leases: createLeases() })
    const seen = await play({ clock, source: '-ab-c|', values: { a, b, c }, stage })
    const values = { a: decoded(a, one), b: decoded(b, one), c: decoded(c, one) }
    expect(seen).toEqual(moments('-----(abc|)', values))
  })

  it('splits at a fence: each part by its own generation, offsets covered without gap or overlap', async () => {
    const choice = fencedAt([generation(1), generation(2), generation(3)], [0, 12, 14])
    // 11 and 13 are gaps; 14 is the first of the third generation.
    const parts = await all([fetched(0, 9, [10, 12, 14, 15], 20)], { choice })
    expect(parts.map((part) => [part.generation.number, part.start, part.next, offsets(part)])).toEqual([
      [1, 9, 11, [10]],
      [2, 11, 13, [12]],
      [3, 13, 20, [14, 15]],
    ])
  })

  it('splits what is longer than maxRecords, and the bytes add up', async () => {
    const whole = fetched(0, 0, [0, 1, 2, 3, 4])
    const parts = await all([whole], { maxRecords: 2 })
    expect(parts.map(offsets)).toEqual([[0, 1], [2, 3], [4]])
    expect(parts.reduce((sum, part) => sum + part.bytes, 0)).toBe(whole.bytes)
  })

  it('chooses the generation when a part is decoded, not when it was fetched', async () => {
    const [one, two] = [generation(1), generation(2)]
    let active = one
    const gate = new Subject<void>()
    const gated: RecordDecoder = { decode: (records) => firstValueFrom(gate).then(() => decodeRecords(records)) }
    const choice = { choose: () => ({ generation: active, until: Number.POSITIVE_INFINITY }) }
    const parts = all([fetched(0, 0, [0]), fetched(0, 1, [1])], { choice, decoder: gated })
    active = two
    gate.next()
    await new Promise((resolve) => setImmediate(resolve))
    gate.next()
    expect((await parts).map((part) => part.generation.number)).toEqual([1, 2])
  })

  it('passes a gap without records, so that its offsets are committed', async () => {
    const [gap] = await all([fetched(3, 7, [], 12)])
    expect(gap).toMatchObject({ partition: 3, start: 7, next: 12, records: [], bytes: 0, rows: { count: 0 } })
  })

  it('takes one lease for each part', async () => {
    const leases = createLeases()
    const [one, two] = [generation(1), generation(2)]
    await all([fetched(0, 0, [0, 1, 2])], { choice: fencedAt([one, two], [0, 1]), leases })
    expect([one.leases, two.leases]).toEqual([1, 1])
    leases.releaseAll()
    expect([one.leases, two.leases]).toEqual([0, 0])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('registry gone')
      },
    ],
    ['rejects', () => Promise.reject(new Error('registry gone'))],
  ] as [string, RecordDecoder['decode']][])('errors when the decoder %s', async (_how, fail) => {
    await expect(all([fetched(0, 0, [0])], { decoder: { decode: fail } })).rejects.toThrow('registry gone')
  })

  it('gives back the lease of a part that is being decoded when the pipe is torn down', async () => {
    const leases = createLeases()
    const one = generation(1)
    const gate = new Subject<void>()
    const gated: RecordDecoder = { decode: (records) => firstValueFrom(gate).then(() => decodeRecords(records)) }
    const seen: Decoded[] = []
    const subscription = new Subject<Fetched>()
    const running = subscription
      .pipe(decode({ choice: always(one), decoder: gated, leases }), finalize(leases.releaseAll))
      .subscribe((part) => seen.push(part))
    subscription.next(fetched(0, 0, [0]))
    expect(one.leases).toBe(1)
    running.unsubscribe()
    gate.next()
    await new Promise((resolve) => setImmediate(resolve))
    expect([one.leases, seen.length]).toEqual([0, 0])
  })

  it('completes on an empty source and passes an upstream error on', async () => {
    const stage = () => decode({ choice: always(generation(1)), decoder, leases: createLeases() })
    expect(await lastValueFrom(EMPTY.pipe(stage(), toArray()))).toEqual([])
    await expect(lastValueFrom(throwError(() => new Error('broker gone')).pipe(stage()))).rejects.toThrow('broker gone')
    expect(await lastValueFrom(of(fetched(0, 0, [0])).pipe(stage(), toArray()))).toHaveLength(1)
  })
})
