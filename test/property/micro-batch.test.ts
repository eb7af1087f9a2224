import fc from 'fast-check'
import { Subject, VirtualTimeScheduler } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { createLeases } from '../../stages/leases.js'
import { microBatch } from '../../stages/micro-batch.js'
import type { Decoded, MicroBatch, SourceRecord } from '../../stages/ports.js'
import { recordBytes } from '../../stages/record-bytes.js'
import { bad, decoded, fetched, generation, record, sum } from '../fixtures/stage-values.js'

interface Arrival {
  readonly afterMs: number
  readonly partition: number
  /** per record: offsets skipped before it, whether it is bad, bytes it is padded with */
  readonly records: readonly { readonly gap: number; readonly isBad: boolean; readonly padding: number }[]
  /** offsets skipped after the last */
  readonly trailing: number
  readonly switches: boolean
}

const arrival: fc.Arbitrary<Arrival> = fc.record({
  afterMs: fc.nat(12),
  partition: fc.nat(2),
  records: fc.array(fc.record({ gap: fc.nat(2), isBad: fc.boolean(), padding: fc.nat(60) }), { maxLength: 9 }),
  trailing: fc.nat(2),
  switches: fc.nat(3).map((dice) => dice === 0),
})
const limits = fc.record({
  maxRecords: fc.integer({ min: 1, max: 12 }),
  maxBytes: fc.integer({ min: 1, max: 400 }),
  maxDelayMs: fc.nat(15),
})

/** Sends the arrivals through the stage on a virtual clock. */
function run(arrivals: readonly Arrival[], options: { maxRecords: number; maxBytes: number; maxDelayMs: number }) {
  const scheduler = new VirtualTimeScheduler()
  const leases = createLeases()
  const source = new Subject<Decoded>()
  const batches: { at: number; batch: MicroBatch }[] = []
  source
    .pipe(microBatch({ limits: () => options, leases, scheduler }))
    .subscribe((batch) => batches.push({ at: scheduler.frame, batch }))

  const sent: Decoded[] = []
  const enteredAt = new Map<SourceRecord, number>()
  const next = [0, 0, 0]
  let by = generation(1)
  let now = 0
  for (const { afterMs, partition, records, trailing, switches } of arrivals) {
    now += afterMs
    if (switches) by = generation(by.number + 1)
    const start = next[partition]!
    let offset = start
    const filled = records.map(({ gap, isBad, padding }) => {
      offset += gap
      const made = isBad ? bad(offset) : record(offset, { headers: { padding: 'x'.repeat(padding) } })
      offset++
      return made
    })
    next[partition] = offset + trailing
    const part = decoded(fetched(partition, start, filled, next[partition]), by)
    for (const one of filled) enteredAt.set(one, now)
    sent.push(part)
    scheduler.schedule(() => {
      leases.retain(part.generation)
      source.next(part)
    }, now)
  }
  scheduler.schedule(() => source.complete(), now + 1)
  scheduler.flush()
  return { batches, sent, enteredAt, leases }
}

const recordsOf = ({ parts }: MicroBatch) => parts.flatMap((part) => part.records)

/** Everything that is known of each record of a partition: its bytes, its row or its rejection, its echo, its generation. */
function told(parts: readonly Decoded[], partition: number) {
  return parts
    .filter((part) => part.partition === partition)
    .flatMap((part) => {
      const [x, names] = part.rows.columns as [Float32Array, string[]]
      let row = 0
      return part.records.map((one, index) => {
        const by = part.generation.number
        const rejected = part.rejected.get(index)
        if (rejected) return { one, by, rejected }
        const told = { one, by, x: [...x.subarray(2 * row, 2 * row + 2)], name: names[row], echo: part.echo?.[row] }
        row++
        return told
      })
    })
}

describe('microBatch, for all arrivals and limits', () => {
  const holds = (check: (result: ReturnType<typeof run>, limits: Parameters<typeof run>[1]) => void) =>
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 15 }), limits, (arrivals, options) =>
        check(run(arrivals, options), options),
      ),
      { numRuns: 300 },
    )

  it('hands on what went in: per partition the same records, rows, rejections and echoes, in order', () => {
    holds(({ batches, sent }) => {
      const parts = batches.flatMap(({ batch }) => batch.parts)
      for (const partition of [0, 1, 2]) expect(told(parts, partition)).toEqual(told(sent, partition))
    })
  })

  it('covers the same offsets without gap or overlap, and its bytes and leases add up', () => {
    holds(({ batches, sent, leases }) => {
      const parts = batches.flatMap(({ batch }) => batch.parts)
      for (const partition of [0, 1, 2]) {
        let next = 0
        for (const part of parts.filter((one) => one.partition === partition)) {
          expect(part.start).toBe(next)
          next = part.next
        }
        expect(next).toBe(sent.filter((one) => one.partition === partition).at(-1)?.next ?? 0)
      }
      expect(sum(parts, (part) => part.bytes)).toBe(sum(sent, (part) => part.bytes))
      expect(leases.held).toBe(parts.length)
      for (const part of parts) leases.release(part.generation)
      expect(leases.held).toBe(0)
    })
  })

  it('never exceeds a limit, save by a single record larger than a batch', () => {
    holds(({ batches }, { maxRecords, maxBytes }) => {
      for (const { batch } of batches) {
        const records = recordsOf(batch)
        expect(records.length).toBeLessThanOrEqual(maxRecords)
        if (records.length > 1) expect(sum(batch.parts, (part) => part.bytes)).toBeLessThanOrEqual(maxBytes)
        expect(batch.rows).toBe(sum(batch.parts, (part) => part.rows.count))
      }
    })
  })

  it('never keeps a record longer than the delay', () => {
    holds(({ batches, enteredAt }, { maxDelayMs }) => {
      for (const { at, batch } of batches) {
        for (const one of recordsOf(batch)) expect(at - enteredAt.get(one)!).toBeLessThanOrEqual(maxDelayMs)
      }
    })
  })

  it('never mixes generations', () => {
    holds(({ batches }) => {
      for (const { batch } of batches) for (const part of batch.parts) expect(part.generation).toBe(batch.generation)
    })
  })

  it('closes a batch only for the reason it gives', () => {
    holds(({ batches, enteredAt }, { maxRecords, maxBytes, maxDelayMs }) => {
      batches.forEach(({ at, batch }, i) => {
        const following = batches[i + 1]?.batch
        const bytes = sum(batch.parts, (part) => part.bytes)
        if (batch.closedBy === 'records') expect(recordsOf(batch)).toHaveLength(maxRecords)
        if (batch.closedBy === 'generation') expect(following?.generation).not.toBe(batch.generation)
        if (batch.closedBy === 'bytes') {
          const more = following ? recordsOf(following)[0] : undefined
          expect(bytes + (bytes < maxBytes ? recordBytes(more!) : 0)).toBeGreaterThanOrEqual(maxBytes)
        }
        if (batch.closedBy === 'delay' && recordsOf(batch).length > 0 && batch.parts[0]!.records.length > 0) {
          expect(at - enteredAt.get(recordsOf(batch)[0]!)!).toBe(maxDelayMs)
        }
        if (batch.closedBy === 'end') expect(following).toBeUndefined()
      })
    })
  })
})
