import fc from 'fast-check'
import { lastValueFrom, of, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { deadLetterLimit } from '../../stages/dead-letter-limit.js'
import { createLetterWindow } from '../../stages/letter-window.js'
import type { Encoded } from '../../stages/ports.js'
import { decoded, encodedOf, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

/** So many records were encoded at a time, the last of them dead letters. */
const encoded = (scoredAt: number, records: number, letters: number): Encoded => {
  const one = encodedOf(microBatchOf(decoded(fetched(0, 0, [0]), generation(1))))
  const letter = { key: null, value: null, headers: undefined, timestamp: 0 }
  return {
    ...one,
    batch: { ...one.batch, scoredAt },
    records,
    outgoing: [{ kind: 'deadLetter', partition: 0, records: Array(letters).fill(letter) }],
  }
}

const limit = { count: 10, share: 0.5, windowSeconds: 60 }

const run = async (batches: readonly Encoded[]) => {
  const exceeded: string[] = []
  const stage = deadLetterLimit({ window: createLetterWindow(limit), onExceeded: (figures) => exceeded.push(figures) })
  const passed = await lastValueFrom(of(...batches).pipe(stage, toArray()))
  return { passed: passed.length, exceeded }
}

test('ends before the batch with which there are too many, and says how many there were', async () => {
  const batches = [encoded(1_000, 10, 9), encoded(2_000, 5, 1), encoded(3_000, 5, 0)]
  expect(await run(batches)).toEqual({ passed: 1, exceeded: ['10 of 15 records within 60 s'] })
})

test('few among many are no reason, nor are many that are long ago', async () => {
  expect(await run([encoded(1_000, 1_000, 300), encoded(2_000, 1_000, 300)])).toEqual({ passed: 2, exceeded: [] })
  expect(await run([encoded(1_000, 9, 9), encoded(61_000, 9, 9)])).toEqual({ passed: 2, exceeded: [] })
})

test('the window counts as one that remembers everything does', () => {
  const step = fc.record({ after: fc.nat(20_000), records: fc.integer({ min: 1, max: 20 }), bad: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const window = createLetterWindow(limit)
      const all: { second: number; records: number; letters: number }[] = []
      let at = 0
      for (const { after, records, bad } of steps) {
        at += after
        const letters = Math.min(bad, records)
        all.push({ second: Math.floor(at / 1000), records, letters })
        const recent = all.filter(({ second }) => second > Math.floor(at / 1000) - limit.windowSeconds)
        const sum = (of: 'records' | 'letters') => recent.reduce((total, one) => total + one[of], 0)
        const tooMany = letters > 0 && sum('letters') >= limit.count && sum('letters') >= limit.share * sum('records')
        expect(window.add(at, records, letters)).toBe(
          tooMany ? `${sum('letters')} of ${sum('records')} records within 60 s` : undefined,
        )
      }
    }),
  )
})
