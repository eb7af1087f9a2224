import { of } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { createCredits } from '../../stages/credits.js'
import { createLeases } from '../../stages/leases.js'
import { loanOf, MemoryPool } from '../../stages/lent-memory.js'
import { PlacedRecord, Reply } from '../../stages/placed-records.js'
import { giveBackRecord, giveBackReply, placedRecord, reply } from '../../stages/record-pool.js'
import { refund } from '../../stages/refund.js'
import { sliceDecoded } from '../../stages/slice-decoded.js'
import { decoded, encodedOf, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

const mebibyte = 1024 * 1024

describe('memory that is lent', () => {
  it('is used again once as much was released as was held, and not before', () => {
    const pool = new MemoryPool(mebibyte)
    const first = pool.take(100_000)
    const loan = loanOf(new Uint8Array(first))!
    loan.hold(3)
    loan.release(2)
    expect(pool.take(100_000)).not.toBe(first)
    loan.release(1)
    expect(pool.take(90_000)).toBe(first)
  })

  it('has room for what was asked for, and is no hundred times larger', () => {
    const pool = new MemoryPool(mebibyte)
    const giveBack = (memory: ArrayBuffer) => {
      const loan = loanOf(new Uint8Array(memory))!
      loan.hold(1)
      loan.release(1)
    }
    const large = pool.take(900_000)
    expect(large.byteLength).toBeGreaterThanOrEqual(900_000)
    giveBack(large)
    expect(pool.take(9_000)).not.toBe(large)
    expect(pool.take(mebibyte + 1)).not.toBe(large)
    expect(pool.take(500_000)).toBe(large)
  })

  it('lies unused up to a limit; beyond it the oldest goes, and what is larger than all of it at once', () => {
    const pool = new MemoryPool(mebibyte)
    const [one, two, three, huge] = [400_000, 400_000, 400_000, 4 * mebibyte].map((bytes) => pool.take(bytes))
    for (const memory of [one, two, three, huge]) {
      const loan = loanOf(new Uint8Array(memory!))!
      loan.hold(1)
      loan.release(1)
    }
    expect(pool.take(400_000)).toBe(two)
    expect(pool.take(400_000)).toBe(three)
    const again = [pool.take(400_000), pool.take(4 * mebibyte)]
    expect(again).not.toContain(one)
    expect(again).not.toContain(huge)
  })

  it("is nobody's when more is released than was held", () => {
    const loan = loanOf(new Uint8Array(new MemoryPool(mebibyte).take(70_000)))!
    loan.hold(1)
    expect(() => loan.release(2)).toThrow(RangeError)
  })
})

describe('refund', () => {
  /** A run of four records and its rows, in lent memory, cut into two parts. */
  const lent = (pool: MemoryPool, one = generation(1)) => {
    const frame = pool.take(100_000)
    const loan = loanOf(new Uint8Array(frame))!
    const batch = { bytes: Buffer.from(frame), baseOffset: 0, baseTimestamp: 0, appendTime: undefined, loan }
    const records = [0, 1, 2, 3].map((i) => new PlacedRecord(batch, i, 0, undefined, 0, 4, 4 * i, 4))
    loan.hold(records.length)
    const column = new Float32Array(pool.take(200_000), 0, 4)
    loanOf(column)!.hold(4)
    const whole = { ...decoded(fetched(0, 0, records), one), rows: { count: 4, columns: [column] } }
    const parts = [sliceDecoded(whole, 0, 1, 8), sliceDecoded(whole, 1, 4, 24)]
    return { frame, memory: column.buffer, parts }
  }
  const refunded = (parts: ReturnType<typeof lent>['parts']) => {
    const [credits, leases] = [createCredits({ records: 10, bytes: 1_000 }), createLeases()]
    void credits.take(10, 1_000)
    for (const { generation: one } of parts) leases.retain(one)
    for (const part of parts)
      of(encodedOf(microBatchOf(part)))
        .pipe(refund({ credits, leases }))
        .subscribe()
  }

  it('gives memory back with the last of the parts that look at it', () => {
    const pool = new MemoryPool(mebibyte)
    const { frame, memory, parts } = lent(pool)
    refunded(parts.slice(0, 1))
    expect([pool.take(100_000), pool.take(200_000)]).not.toContain(frame)
    refunded(parts.slice(1))
    expect(pool.take(100_000)).toBe(frame)
    expect(pool.take(200_000)).toBe(memory)
  })

  it('gives records back, once, for others to be made of', () => {
    const { parts } = lent(new MemoryPool(mebibyte))
    const records = parts.flatMap((part) => [...part.records])
    refunded(parts)
    const { batch } = lent(new MemoryPool(mebibyte)).parts[0]!.records[0] as PlacedRecord
    const next = [4, 5, 6, 7].map((i) => placedRecord(batch, i, 0, undefined, 0, 4, 4 * i, 4))
    expect(new Set(next)).toEqual(new Set(records))
    expect(next.map(({ offset }) => offset)).toEqual([4, 5, 6, 7])
    giveBackRecord(next[0]!)
    expect(() => giveBackRecord(next[0]!)).toThrow(RangeError)
  })

  it('gives replies back, once', () => {
    const { parts } = lent(new MemoryPool(mebibyte))
    const [input] = parts[0]!.records
    const one = new Reply(input!, Buffer.from('a'))
    giveBackReply(one)
    expect(() => giveBackReply(one)).toThrow(RangeError)
    expect(reply(input!, Buffer.from('bc'), 1, 1)).toBe(one)
    expect(one.value.toString()).toBe('c')
  })

  it('gives nothing back that a shadow may still read', () => {
    const pool = new MemoryPool(mebibyte)
    const { frame, memory, parts } = lent(pool, { ...generation(1), shadow: generation(2) })
    const { value } = parts[0]!.records[0]!
    refunded(parts)
    expect(parts[0]!.records[0]!.value).toEqual(value)
    const next = [pool.take(100_000), pool.take(200_000)]
    expect(next).not.toContain(frame)
    expect(next).not.toContain(memory)
  })
})
