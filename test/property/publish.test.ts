import fc from 'fast-check'
import { concatMap, from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { Encoded, Outgoing } from '../../stages/ports.js'
import { publish } from '../../stages/publish.js'
import { createClock } from '../fixtures/async-marbles.js'
import { decoded, encodedOf, fetched, generation, microBatchOf, sum } from '../fixtures/stage-values.js'

describe('publish, for all arrivals and delays', () => {
  it('keeps the order of each partition, one call at a time, and hands each batch on after its acknowledgement', async () => {
    const arrival = fc.record({
      afterMs: fc.nat(4),
      partitions: fc.array(fc.nat(2), { minLength: 1, maxLength: 3 }),
      records: fc.nat(3),
    })
    const delays = fc.infiniteStream(fc.nat(6))
    await fc.assert(
      fc.asyncProperty(
        fc.array(arrival, { maxLength: 12 }),
        delays,
        fc.integer({ min: 1, max: 12 }),
        async (arrivals, delays, maxRecords) => {
          const one = generation(1)
          const next = [0, 0, 0]
          const batches = arrivals.map(({ partitions, records }) =>
            encodedOf(
              microBatchOf(
                ...partitions.map((partition) => {
                  const start = next[partition]!
                  next[partition] = start + records
                  const offsets = Array.from({ length: records }, (_, i) => start + i)
                  return decoded(fetched(partition, start, offsets, start + records), one)
                }),
              ),
            ),
          )
          const clock = createClock()
          const acknowledged: Outgoing[] = []
          let underWay = 0
          const publisher = {
            async publish(outgoing: readonly Outgoing[]) {
              expect(++underWay).toBe(1)
              const records = sum(outgoing, (group) => group.records.length)
              expect(records <= maxRecords || batches.some((batch) => batch.records === records)).toBe(true)
              expect(new Set(outgoing.map(({ kind, partition }) => `${kind} ${partition}`)).size).toBeLessThanOrEqual(3)
              await clock.after(delays.next().value ?? 0)
              acknowledged.push(...outgoing)
              underWay--
            },
          }
          const seen: Encoded[] = []
          let completed = false
          from(batches)
            .pipe(
              concatMap((batch, i) => clock.after(arrivals[i]!.afterMs).then(() => batch)),
              publish({ publisher, maxRecords }),
            )
            .subscribe({
              next: (batch) => {
                const done = new Set(acknowledged.flatMap(({ records }) => records))
                for (const { records } of batch.outgoing)
                  for (const record of records) expect(done.has(record)).toBe(true)
                seen.push(batch)
              },
              complete: () => {
                completed = true
              },
            })
          await clock.advance(150)
          expect(completed).toBe(true)
          expect(seen).toEqual(batches)
          for (const partition of [0, 1, 2]) {
            const sent = acknowledged
              .filter((group) => group.partition === partition)
              .flatMap(({ records }) => [...records])
            const wanted = batches.flatMap(({ outgoing }) => outgoing).filter((group) => group.partition === partition)
            expect(sent).toEqual(wanted.flatMap(({ records }) => [...records]))
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})
