import { maxLongBytes, maxTextBytes, writeLong, writeText } from './write.js'

/** Memory that grows with what is written to it. One sink serves any number of values. */
export class Sink {
  at = 0
  private memory = Buffer.allocUnsafe(1024)

  /** A copy of what was written since the last time. */
  take(): Buffer {
    const bytes = Buffer.from(this.memory.subarray(0, this.at))
    this.at = 0
    return bytes
  }

  byte(value: number): void {
    this.reserve(1)
    this.memory[this.at++] = value
  }

  long(value: number): void {
    this.reserve(maxLongBytes)
    this.at = writeLong(this.memory, this.at, value)
  }

  /** All 64 bits. */
  bigLong(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    for (; rest > 0x7fn; rest >>= 7n) this.byte(Number(rest & 0x7fn) | 0x80)
    this.byte(Number(rest))
  }

  float(value: number): void {
    this.reserve(4)
    this.at = this.memory.writeFloatLE(value, this.at)
  }

  double(value: number): void {
    this.reserve(8)
    this.at = this.memory.writeDoubleLE(value, this.at)
  }

  text(value: string): void {
    this.reserve(maxTextBytes(value))
    this.at = writeText(this.memory, this.at, value)
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.memory.set(bytes, this.at)
    this.at += bytes.length
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.memory.length) return
    const larger = Buffer.allocUnsafe(2 * (this.at + bytes))
    this.memory.copy(larger, 0, 0, this.at)
    this.memory = larger
  }
}
