import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader } from '../../pipeline/kafka/frame-reader.js'

const framed = (content: Uint8Array): Buffer => {
  const frame = Buffer.alloc(4 + content.length)
  frame.writeInt32BE(content.length)
  frame.set(content, 4)
  return frame
}

/** Reads the pieces out of one and the same memory, or out of the frame that they belong to when that has room, as a socket does. */
const readInPieces = (bytes: Buffer, cuts: readonly number[]) => {
  const [frames, lost]: [Buffer[], Buffer[]] = [[], []]
  const reader = new FrameReader({
    allocate: (length) => Buffer.alloc(length, 0xee),
    onFrame: (frame) => frames.push(frame),
    onLost: (rest) => lost.push(rest),
  })
  const memory = Buffer.alloc(bytes.length)
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((one, other) => one - other)
  let from = 0
  for (const end of [...ends, bytes.length])
    while (from < end) {
      const place = reader.room ?? memory
      const read = bytes.copy(place, 0, from, end)
      reader.read(place.subarray(0, read))
      from += read
    }
  return { frames, lost: Buffer.concat(lost) }
}

const contents = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 })
const anyCuts = fc.array(fc.nat(), { maxLength: 30 })

test('responses come out whole, each with its length, however they were cut on the way', () => {
  fc.assert(
    fc.property(contents, anyCuts, (all, cuts) => {
      const frames = all.map(framed)
      expect(readInPieces(Buffer.concat(frames), cuts)).toEqual({ frames, lost: Buffer.alloc(0) })
    }),
  )
})

test('the rest of a large response is received in its place', () => {
  const sizes = fc.array(fc.oneof(fc.nat(40), fc.integer({ min: 60_000, max: 70_000 })), { maxLength: 4 })
  fc.assert(
    fc.property(sizes, anyCuts, (lengths, cuts) => {
      const frames = lengths.map((length, index) => framed(Buffer.alloc(length, index + 1)))
      const { frames: read, lost } = readInPieces(Buffer.concat(frames), cuts)
      expect(read.length).toBe(frames.length)
      expect(Buffer.concat(read).equals(Buffer.concat(frames))).toBe(true)
      expect(lost).toEqual(Buffer.alloc(0))
    }),
  )
  const reader = new FrameReader({ allocate: Buffer.alloc, onFrame: () => undefined, onLost: () => undefined })
  const large = framed(Buffer.alloc(100_000))
  expect(reader.room).toBeUndefined()
  reader.read(large.subarray(0, 1_000))
  expect(reader.room?.length).toBe(large.length - 1_000)
})

test('from what is no response on, all bytes are handed on', () => {
  const lengths = fc.oneof(fc.integer({ max: -1 }), fc.integer({ min: 256 * 1024 * 1024 + 1, max: 2 ** 31 - 1 }))
  fc.assert(
    fc.property(contents, lengths, fc.uint8Array(), anyCuts, (all, length, more, cuts) => {
      const strange = Buffer.alloc(4)
      strange.writeInt32BE(length)
      const rest = Buffer.concat([strange, more])
      const found = readInPieces(Buffer.concat([...all.map(framed), rest]), cuts)
      expect(found).toEqual({ frames: all.map(framed), lost: rest })
    }),
  )
})
