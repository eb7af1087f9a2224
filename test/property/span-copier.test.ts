import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SpanCopier } from '../../pipeline/kafka/span-copier.js'

test('spans are where a copy byte by byte would put them, out of memories in any order, and nothing beside them is touched', () => {
  const memories = [0, 1].map((one) => Buffer.from(Array.from({ length: 600 }, (_, i) => (i * 7 + one * 31) % 251)))
  // Views that do not begin where their memory does.
  const views = memories.map((memory, one) => memory.subarray(one * 3))
  const span = fc.record({ memory: fc.nat(1), from: fc.nat(200), length: fc.nat(300), at: fc.nat(200) })
  fc.assert(
    fc.property(fc.array(span, { maxLength: 10 }), (spans) => {
      const [target, expected] = [Buffer.alloc(520, 0xcc).subarray(5), Buffer.alloc(520, 0xcc).subarray(5)]
      const copier = new SpanCopier(target)
      for (const { memory, from, length, at } of spans) {
        copier.copy(views[memory]!, from, length, at)
        for (let i = 0; i < length; i++) expected[at + i] = views[memory]![from + i]!
      }
      expect(target.equals(expected)).toBe(true)
    }),
  )
})
