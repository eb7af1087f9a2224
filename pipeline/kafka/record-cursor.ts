/** A position in the records of a batch, and what can be read there. The layout is drawn in record-batch.ts. */
import type { BatchMemory, PlacedRecord } from '../../stages/placed-records.js'
import type { Headers } from '../../stages/ports.js'
import { placedRecord } from '../../stages/record-pool.js'

/** The records do not add up. */
export class BrokenRecords extends Error {
  override readonly name = 'BrokenRecords'
}

/** What `subarray` makes its views with, without the detour. */
const View: new (memory: ArrayBufferLike, offset: number, length: number) => Buffer = (
  Buffer as unknown as { [Symbol.species]: new (memory: ArrayBufferLike, offset: number, length: number) => Buffer }
)[Symbol.species]

export class RecordCursor {
  private at = 0

  private readonly bytes: Buffer

  constructor(private readonly batch: BatchMemory) {
    this.bytes = batch.bytes
  }

  record(): PlacedRecord {
    const length = this.varint()
    const end = this.at + length
    if (length < 0 || end > this.bytes.length) throw new BrokenRecords(`a record of ${length} bytes`)
    // Attributes: none are defined.
    this.at += 1
    const timeDelta = this.varlong()
    const offsetDelta = this.varint()
    const keyLength = this.varint()
    const keyAt = this.pass(keyLength)
    const valueLength = this.varint()
    const valueAt = this.pass(valueLength)
    const headerCount = this.varint()
    const headers = headerCount > 0 ? this.headers(headerCount) : undefined
    if (this.at !== end)
      throw new BrokenRecords(`a record of ${length} bytes that ends after ${this.at - end + length}`)
    return placedRecord(
      this.batch,
      offsetDelta,
      timeDelta,
      headers,
      keyAt,
      Math.max(-1, keyLength),
      valueAt,
      Math.max(-1, valueLength),
    )
  }

  private varint(): number {
    const byte = this.bytes[this.at++]!
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    const value = this.longer(byte, 5)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** Exact up to 2^53, as all timestamps are. */
  private varlong(): number {
    const byte = this.bytes[this.at++]!
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    const value = this.longer(byte, 10)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** The rest of an unsigned varint of at most `maxBytes` bytes. */
  private longer(first: number, maxBytes: number): number {
    let value = first & 0x7f
    let weight = 0x80
    for (let count = 1; count < maxBytes; count++) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * weight
      if (byte < 0x80) return value
      weight *= 0x80
    }
    throw new BrokenRecords('a number that does not end')
  }

  private view(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const start = this.pass(length)
    return new View(this.bytes.buffer, this.bytes.byteOffset + start, length)
  }

  /** Where so many bytes begin, which are passed over. */
  private pass(length: number): number {
    const start = this.at
    if (length <= 0) return start
    this.at += length
    if (this.at > this.bytes.length) throw new BrokenRecords(`${length} bytes where fewer are left`)
    return start
  }

  private headers(count: number): Headers {
    if (count > this.bytes.length - this.at) throw new BrokenRecords(`${count} headers where fewer bytes are left`)
    const headers: Record<string, unknown> = {}
    for (let index = 0; index < count; index++) {
      const name = String(this.view() ?? '')
      const value = this.view()
      const before = Object.hasOwn(headers, name) ? headers[name] : undefined
      const now = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
      // `__proto__` is a name like any other.
      Object.defineProperty(headers, name, { value: now, enumerable: true, configurable: true, writable: true })
    }
    return headers as Headers
  }
}
