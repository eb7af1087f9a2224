/** Bytes as they come from whoever has a bug, or means harm: sound ones, changed in a few places. */
import fc from 'fast-check'

/** `at` is taken modulo the length: a change fits bytes of any. */
export type ByteChange =
  | { readonly flip: number; readonly at: number }
  /** hex, in the place of so many bytes */
  | { readonly put: string; readonly at: number; readonly over: number }
  /** so many bytes are there twice */
  | { readonly double: number; readonly at: number }
  | { readonly end: number }

/** Numbers where things go wrong: as bytes, as varints, as lengths. */
const bytesOfNote = [
  '00',
  '01',
  '7f',
  '80',
  'ff',
  'feffffff0f',
  'ffffffffffffffffff01',
  '808080808080808000',
  '0000c07f',
]

export const someBytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength, size: 'max' }).map((bytes) => Buffer.from(bytes))

const at = fc.nat()
const flip = fc.record({ flip: fc.nat(7), at })
const hex = fc.oneof(
  fc.constantFrom(...bytesOfNote),
  someBytes(16).map((bytes) => bytes.toString('hex')),
)

export const byteChanges: fc.Arbitrary<ByteChange[]> = fc.array(
  fc.oneof(
    flip,
    { weight: 3, arbitrary: fc.record({ put: hex, at, over: fc.nat(16) }) },
    fc.record({ double: fc.integer({ min: 1, max: 32 }), at }),
    fc.record({ end: at }),
  ),
  { minLength: 1, maxLength: 4 },
)

/** What holds bytes of a length, as a model does, stays whole in its shape. */
export const bitFlips: fc.Arbitrary<ByteChange[]> = fc.array(flip, { minLength: 1, maxLength: 8 })

export const changeBytes = (bytes: Buffer, changes: readonly ByteChange[]): Buffer => {
  let changed: Buffer = Buffer.from(bytes)
  for (const change of changes) changed = changeOnce(changed, change)
  return changed
}

const changeOnce = (bytes: Buffer, change: ByteChange): Buffer => {
  if ('end' in change) return bytes.subarray(0, change.end % (bytes.length + 1))
  const at = change.at % (bytes.length + 1)
  if ('flip' in change) {
    if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << change.flip)
    return bytes
  }
  const middle = 'put' in change ? Buffer.from(change.put, 'hex') : bytes.subarray(at, at + change.double)
  const after = 'put' in change ? at + change.over : at
  return Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(Math.min(bytes.length, after))])
}
