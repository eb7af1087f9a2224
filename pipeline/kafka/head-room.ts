/**
 * kafkajs puts the head of a request before its body by copying the body into a new buffer, zeroed and a power of two long, and does that twice.
 * A body that has room before it takes the head in there instead.
 */
import { patchOnce } from './internals.js'

/** What kafkajs calls an encoder: `buffer` is what has been written. */
export interface Encoded {
  readonly buf: Buffer
  readonly buffer: Buffer
}

interface Encoder {
  buf: Buffer
  /** where `buf` ends so far */
  offset: number
  writeEncoder(value: Encoded): this
}

/** Size, keys, correlation and client id: a longer client id is copied as kafkajs does it. */
export const headRoom = 256

/** how many bytes lie free before what was written */
const rooms = new WeakMap<object, number>()

/** `body` begins `headRoom` bytes into memory that nobody else uses. Without a known kafkajs, it is copied. */
export const withHeadRoom = (body: Buffer): Encoded => {
  install()
  const encoded = { buf: body, buffer: body }
  rooms.set(encoded, headRoom)
  return encoded
}

const install = patchOnce<{ prototype: Encoder }>('protocol/encoder', ({ prototype: encoder }) => {
  const { writeEncoder } = encoder

  encoder.writeEncoder = function (value) {
    const room = rooms.get(value)
    const head = this.offset
    if (room === undefined || head > room) return writeEncoder.call(this, value)
    const body = value.buffer
    const whole = Buffer.from(body.buffer, body.byteOffset - head, head + body.length)
    this.buf.copy(whole, 0, 0, head)
    this.buf = whole
    this.offset = whole.length
    rooms.set(this, room - head)
    return this
  }
})
