import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLanes } from '../../pipeline/kafka/lanes.js'
import type { OutgoingRecord } from '../../stages/ports.js'

const record = (value: string): OutgoingRecord => ({
  key: null,
  value: Buffer.from(value),
  headers: undefined,
  timestamp: 0,
})

const additions = fc.array(
  fc.record({
    partition: fc.integer({ min: 0, max: 3 }),
    sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
    /** fronts that are sent and settled after this addition */
    turns: fc.integer({ min: 0, max: 2 }),
  }),
  { maxLength: 30 },
)

test('whatever is added when, each partition is sent once, in order, within the limits, and acknowledged when all of it is settled', () => {
  fc.assert(
    fc.property(
      additions,
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 100 }),
      (steps, records, bytes) => {
        const lanes = createLanes()
        const added = new Map<number, string[]>()
        const sent = new Map<number, string[]>()
        const waiting = new Map<number, string>()
        let serial = 0
        const turn = () => {
          for (const chunk of lanes.front({ records, bytes })) {
            expect(chunk.records.length).toBeGreaterThan(0)
            expect(chunk.records.length).toBeLessThanOrEqual(records)
            expect(chunk.records.length === 1 || chunk.bytes <= bytes).toBe(true)
            sent.set(chunk.partition, [
              ...(sent.get(chunk.partition) ?? []),
              ...chunk.records.map((r) => String(r.value)),
            ])
            lanes.settle(chunk)
          }
        }
        for (const [step, { partition, sizes, turns }] of steps.entries()) {
          const values = sizes.map((size) => `${serial++}`.padEnd(size, '.'))
          added.set(partition, [...(added.get(partition) ?? []), ...values])
          const last = values[values.length - 1]!
          waiting.set(step, last)
          lanes.add('topic', partition, values.map(record), () => {
            expect(sent.get(partition)).toContain(last)
            waiting.delete(step)
          })
          for (let count = 0; count < turns; count++) turn()
        }
        while (lanes.size > 0) turn()
        expect(sent).toEqual(added)
        expect(waiting.size).toBe(0)
      },
    ),
  )
})

test('a front that is not settled is cut the same again', () => {
  const lanes = createLanes()
  lanes.add('topic', 0, ['a', 'b', 'c'].map(record), () => undefined)
  const limits = { records: 2, bytes: 100 }
  const once = lanes.front(limits)
  lanes.add('topic', 0, ['d'].map(record), () => undefined)
  expect(lanes.front(limits)).toEqual(once)
})
