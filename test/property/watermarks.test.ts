import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createWatermarks } from '../../stages/watermarks.js'

const partitions = [0, 1, 2]

/** Adjacent ranges of each partition from a start of its own, all of them in any order of completion. */
const completions = fc
  .tuple(
    ...partitions.map(() =>
      fc.record({ start: fc.nat(50), lengths: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 8 }) }),
    ),
  )
  .chain((all) => {
    const starts = all.map(({ start }, partition) => ({ topic: 't', partition, start }))
    const ranges = all.flatMap(({ start, lengths }, partition) => {
      let next = start
      return lengths.map((length) => {
        const range = { topic: 't', partition, start: next, next: next + length }
        next = range.next
        return range
      })
    })
    const order = fc.shuffledSubarray(ranges, { minLength: ranges.length })
    return fc.record({
      starts: fc.constant(starts),
      order,
      takeAfter: fc.array(fc.boolean(), { minLength: ranges.length }),
    })
  })

describe('watermarks, for all orders of completion', () => {
  it('agree with a set of the offsets that are done: never past one that is not, never short of what could be', () => {
    fc.assert(
      fc.property(completions, ({ starts, order, takeAfter }) => {
        const watermarks = createWatermarks(starts)
        const done = partitions.map(() => new Set<number>())
        const committed = starts.map(({ start }) => start)
        const take = () => {
          for (const { partition, start, next } of watermarks.take()) {
            expect(start).toBe(committed[partition])
            expect(next).toBeGreaterThan(start)
            committed[partition] = next
          }
          expect(watermarks.grown).toBe(false)
          for (const partition of partitions) {
            let expected = starts[partition]!.start
            while (done[partition]!.has(expected)) expected++
            expect(committed[partition]).toBe(expected)
          }
        }
        order.forEach((range, i) => {
          for (let offset = range.start; offset < range.next; offset++) done[range.partition]!.add(offset)
          watermarks.cover(range)
          if (takeAfter[i]) take()
        })
        take()
      }),
      { numRuns: 300 },
    )
  })

  it('do not mind ranges that are reported twice or overlap', () => {
    const range = fc.record({ start: fc.nat(20), length: fc.integer({ min: 1, max: 6 }) })
    fc.assert(
      fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
        const watermarks = createWatermarks([{ topic: 't', partition: 0, start: 0 }])
        const done = new Set<number>()
        let committed = 0
        for (const { start, length } of ranges) {
          for (let offset = start; offset < start + length; offset++) done.add(offset)
          watermarks.cover({ topic: 't', partition: 0, start, next: start + length })
          for (const taken of watermarks.take()) committed = taken.next
          let expected = 0
          while (done.has(expected)) expected++
          expect(committed).toBe(expected)
        }
      }),
      { numRuns: 300 },
    )
  })
})
