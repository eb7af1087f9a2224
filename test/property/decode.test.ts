import fc from 'fast-check'
import { of } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { decode } from '../../stages/decode.js'
import { createLeases } from '../../stages/leases.js'
import type { Decoded } from '../../stages/ports.js'
import { decoder, fencedAt, fetched, generation, sum } from '../fixtures/stage-values.js'

describe('decode, for all gaps and fences', () => {
  it('gives each record to the generation whose fence is the last at or before it, and covers what was fetched exactly', () => {
    const gaps = fc.array(fc.nat(3), { maxLength: 30 })
    const fences = fc.uniqueArray(fc.integer({ min: 1, max: 130 }), { maxLength: 6 })
    fc.assert(
      fc.property(
        fc.nat(20),
        gaps,
        fc.nat(4),
        fences,
        fc.integer({ min: 1, max: 12 }),
        (start, gaps, trailing, fences, maxRecords) => {
          let offset = start
          const offsets = gaps.map((gap) => {
            offset += gap
            return offset++
          })
          const run = fetched(0, start, offsets, offset + trailing)
          const begins = [0, ...fences.sort((a, b) => a - b)]
          const generations = begins.map((_, i) => generation(i))
          const leases = createLeases()
          const parts: Decoded[] = []
          of(run)
            .pipe(decode({ choice: fencedAt(generations, begins), decoder, leases, maxRecords }))
            .subscribe((part) => parts.push(part))

          let next = start
          for (const part of parts) {
            expect(part.start).toBe(next)
            expect(part.records.length).toBeLessThanOrEqual(maxRecords)
            for (const record of part.records) {
              expect(part.start <= record.offset && record.offset < part.next).toBe(true)
              expect(part.generation.number).toBe(begins.findLastIndex((fence) => fence <= record.offset))
            }
            next = part.next
          }
          expect(next).toBe(run.next)
          expect(parts.flatMap((part) => [...part.records])).toEqual(run.records)
          expect(sum(parts, (part) => part.bytes)).toBe(run.bytes)
          expect(leases.held).toBe(parts.length)
          // Without a limit it splits at fences only.
          if (run.records.length <= maxRecords) {
            expect(parts.length).toBe(Math.max(1, new Set(parts.map((part) => part.generation)).size))
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
