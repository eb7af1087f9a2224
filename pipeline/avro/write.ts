/** Avro's binary encoding, written into memory that is large enough: every function takes a position and returns the next. */

import { littleEndian } from './cursor.js'

/** the most bytes that an int or a long takes */
export const maxLongBytes = 10

/** An int or a long: zigzag, then seven bits a byte, the lowest first. `value` is a safe integer. */
export function writeLong(target: Uint8Array, at: number, value: number): number {
  let next = at
  // Offsets and times have more bits than JavaScript's shifts take; halves keep them exact.
  let rest = value < 0 ? -value - 1 : value
  let byte = (rest % 64) * 2 + (value < 0 ? 1 : 0)
  rest = Math.floor(rest / 64)
  while (rest > 0x7fffffff) {
    target[next++] = byte | 0x80
    byte = rest % 128
    rest = Math.floor(rest / 128)
  }
  while (rest > 0) {
    target[next++] = byte | 0x80
    byte = rest & 0x7f
    rest >>>= 7
  }
  target[next++] = byte
  return next
}

/** The most bytes that a string takes. */
export const maxTextBytes = (text: string): number => maxLongBytes + 3 * text.length

/** A string: its length in bytes, and UTF-8. */
export function writeText(target: Buffer, at: number, text: string): number {
  const length = Buffer.byteLength(text)
  const next = writeLong(target, at, length)
  return next + target.write(text, next, length)
}

/** Elements `[from, to)` as an array of floats: their number, the floats, the end. `view` is over the memory of `target`. */
export function writeFloats(
  target: Uint8Array,
  view: DataView,
  at: number,
  data: Float32Array,
  from: number,
  to: number,
): number {
  if (from === to) {
    target[at] = 0
    return at + 1
  }
  let next = writeLong(target, at, to - from)
  if (littleEndian && to - from > 16) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset + 4 * from, 4 * (to - from))
    target.set(bytes, next)
    next += bytes.length
  } else {
    for (let i = from; i < to; i++) {
      view.setFloat32(next, data[i]!, true)
      next += 4
    }
  }
  target[next] = 0
  return next + 1
}
