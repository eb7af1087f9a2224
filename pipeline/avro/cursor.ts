import type { RejectCode } from '../../stages/errors.js'
import type { Rejected } from '../../stages/ports.js'

/**
 * Why a record cannot be read. Thrown by the steps that read it and caught once per record, where it becomes the value that it is: the
 * steps need no check after each read. It is no Error, so that a flood of bad records pays for no stack traces.
 */
export class Malformed implements Rejected {
  constructor(
    readonly code: RejectCode,
    readonly reason: string,
  ) {}
}

/** Typed arrays have the byte order of the machine; Avro's is this one. */
export const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Items that take no bytes (nulls, empty records) are not bounded by the bytes of a record, so they are by this, per record. */
const maxEmptyItems = 65_536
/** What a record may claim beyond its end and still count as cut off. */
const harmlessBytes = 65_536
/** Deeper than any sensible record, shallower than the stack. */
const maxDepth = 200

/**
 * Reads Avro's binary encoding, every read checked against the end of the record. One cursor serves any number of records; its view is made
 * anew only when the memory changes, because the records of a fetch share one.
 */
export class Cursor {
  /** position in `memory` */
  at = 0
  /** where the record ends in `memory` */
  end = 0
  memory: Buffer = Buffer.alloc(0)
  private view: DataView = new DataView(this.memory.buffer)
  private start = 0
  private emptyItems = 0
  private depth = 0

  /** Stands at `offset` of the record that is all of `bytes`, or `length` bytes of it from `start` on. */
  open(bytes: Buffer, offset: number, start = 0, length = bytes.length): void {
    if (bytes.buffer !== this.memory.buffer) {
      this.memory = Buffer.from(bytes.buffer)
      this.view = new DataView(bytes.buffer)
    }
    this.start = bytes.byteOffset + start
    this.at = this.start + offset
    this.end = this.start + length
    this.emptyItems = 0
    this.depth = 0
  }

  /** Lets go of the memory of the last record. */
  close(): void {
    this.memory = Buffer.alloc(0)
    this.view = new DataView(this.memory.buffer)
  }

  skip(bytes: number): void {
    if (bytes > this.end - this.at) throw this.truncated()
    this.at += bytes
  }

  boolean(): boolean {
    if (this.at >= this.end) throw this.truncated()
    const byte = this.memory[this.at++]!
    if (byte > 1) throw this.malformed(`${byte} is no boolean`)
    return byte === 1
  }

  float(): number {
    if (this.end - this.at < 4) throw this.truncated()
    const value = this.view.getFloat32(this.at, true)
    this.at += 4
    return value
  }

  double(): number {
    if (this.end - this.at < 8) throw this.truncated()
    const value = this.view.getFloat64(this.at, true)
    this.at += 8
    return value
  }

  /** `count` floats that follow one another, into `target` from `at` on; `bytes` is the memory of `target`. */
  floats(target: Float32Array, bytes: Uint8Array, at: number, count: number): void {
    const from = this.at
    this.skip(4 * count)
    if (littleEndian && count > 48) bytes.set(this.memory.subarray(from, this.at), 4 * at)
    else for (let i = 0; i < count; i++) target[at + i] = this.view.getFloat32(from + 4 * i, true)
  }

  int(): number {
    let bits = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.at >= this.end) throw this.truncated()
      const byte = this.memory[this.at++]!
      if (shift === 28 && byte > 0x0f) break
      bits |= (byte & 0x7f) << shift
      if (byte < 0x80) return (bits >>> 1) ^ -(bits & 1)
    }
    throw this.malformed('a number is longer than an int')
  }

  /** Exact up to 2^53, the nearest double beyond; see `bigLong`. */
  long(): number {
    if (this.at >= this.end) throw this.truncated()
    const first = this.memory[this.at]!
    // Most are short: lengths, counts, branches of unions.
    if (first < 0x80) {
      this.at++
      return (first >>> 1) ^ -(first & 1)
    }
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw this.truncated()
      const byte = this.memory[this.at++]!
      if (shift < 28) low |= (byte & 0x7f) << shift
      else {
        if (shift === 63 && byte > 1) break
        high += (byte & 0x7f) * 2 ** (shift - 28)
      }
      if (byte < 0x80) {
        // Halved before the parts are joined, so that 64 bits lose nothing that 53 can keep.
        const value = high * 2 ** 27 + (low >>> 1)
        return low & 1 ? -value - 1 : value
      }
    }
    throw this.malformed('a number is longer than a long')
  }

  /** All 64 bits. */
  bigLong(): bigint {
    const start = this.at
    const value = this.long()
    if (Number.isSafeInteger(value)) return BigInt(value)
    let bits = 0n
    for (let at = this.at; at-- > start; ) bits = (bits << 7n) | BigInt(this.memory[at]! & 0x7f)
    return bits & 1n ? -(bits >> 1n) - 1n : bits >> 1n
  }

  /** The length of a string or of bytes that follow: never more than there are. */
  length(): number {
    const length = this.long()
    if (length < 0) throw this.malformed(`a length of ${length}`)
    if (length > this.end - this.at) throw this.beyond(length, `a length of ${length} bytes`)
    return length
  }

  text(): string {
    const length = this.length()
    const text = this.memory.toString('utf8', this.at, this.at + length)
    this.at += length
    return text
  }

  /**
   * The number of items in the next block of an array or a map, 0 at its end. Each item takes `itemBytes` at least; a block that claims
   * more than the bytes that are left can hold is refused before anything is allocated for it. `blockEnd` is then where a block that
   * states its size in bytes has to end, or -1.
   */
  count(itemBytes: number): number {
    let count = this.long()
    this.blockEnd = -1
    if (count === 0) return 0
    if (count < 0) {
      count = -count
      const size = this.length()
      this.blockEnd = this.at + size
    }
    if (itemBytes === 0) {
      this.emptyItems += count
      if (this.emptyItems > maxEmptyItems) throw this.bomb(`${this.emptyItems} items that take no bytes`)
    } else if (count > (this.end - this.at) / itemBytes)
      throw this.beyond(count * itemBytes, `a count of ${count} items`)
    return count
  }

  blockEnd = -1

  /** A reader that skips blocks by their size and one that reads their items must end at the same place. */
  endBlock(blockEnd: number): void {
    if (blockEnd >= 0 && this.at !== blockEnd) throw this.malformed('a block does not have the size that it states')
  }

  /** Before the fields of a record, the items of an array, the values of a map. */
  enter(): void {
    if (++this.depth > maxDepth) throw this.malformed(`nested deeper than ${maxDepth}`)
  }

  leave(): void {
    this.depth--
  }

  malformed(what: string): Malformed {
    return new Malformed('undecodable', `${what}, at byte ${this.at - this.start}`)
  }

  private truncated(): Malformed {
    return new Malformed('undecodable', `the record ends in the middle of a value, at byte ${this.end - this.start}`)
  }

  /** Nobody means harm who claims little more than there is: such a record was cut off. */
  private beyond(bytes: number, what: string): Malformed {
    return bytes - (this.end - this.at) > harmlessBytes ? this.bomb(what) : this.truncated()
  }

  private bomb(what: string): Malformed {
    const left = this.end - this.at
    return new Malformed('allocation-bomb', `${what} at byte ${this.at - this.start}, with ${left} bytes left`)
  }
}
