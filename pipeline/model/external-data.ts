/**
 * Finds tensors whose data lies outside an ONNX file: ONNX Runtime would read it relative to the working directory. It walks the bytes and
 * not the decoded model, for the two may differ: of a message that is there twice ONNX Runtime merges both, where a decoder keeps the last.
 */

type Message = 'model' | 'training' | 'function' | 'graph' | 'node' | 'attribute' | 'sparse' | 'tensor'

/** Field number → message, for every way from a model to a tensor (onnx.proto). */
const fields: Readonly<Record<Message, ReadonlyMap<number, Message>>> = {
  model: new Map([
    [7, 'graph'],
    [20, 'training'],
    [25, 'function'],
  ]),
  training: new Map([
    [1, 'graph'],
    [2, 'graph'],
  ]),
  function: new Map([
    [7, 'node'],
    [11, 'attribute'],
  ]),
  graph: new Map([
    [1, 'node'],
    [5, 'tensor'],
    [15, 'sparse'],
  ]),
  node: new Map([[5, 'attribute']]),
  attribute: new Map([
    [5, 'tensor'],
    [6, 'graph'],
    [10, 'tensor'],
    [11, 'graph'],
    [22, 'sparse'],
    [23, 'sparse'],
  ]),
  sparse: new Map([
    [1, 'tensor'],
    [2, 'tensor'],
  ]),
  tensor: new Map(),
}

const tensorName = 8
const externalData = 13
const dataLocation = 14

/** The name of such a tensor, or undefined. Throws `RangeError` for bytes that are not a protobuf message. */
export function findExternalData(model: Uint8Array): string | undefined {
  // A stack of its own: messages nest as deep as the sender likes.
  const waiting: { message: Message; start: number; end: number }[] = [
    { message: 'model', start: 0, end: model.length },
  ]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { message, end } = next
    let external = false
    let name = ''
    for (let at = next.start; at < end; ) {
      const field = readField(model, at, end)
      at = field.next
      const inner = field.bytes && fields[message].get(field.number)
      if (inner) waiting.push({ message: inner, start: field.start, end: field.next })
      if (message !== 'tensor') continue
      if (field.number === tensorName && field.bytes)
        name = new TextDecoder().decode(model.subarray(field.start, field.next))
      if (field.number === externalData || (field.number === dataLocation && field.value !== 0)) external = true
    }
    if (external) return name || 'without a name'
  }
  return undefined
}

interface Field {
  readonly number: number
  /** whether it is a message, a string or bytes: `[start, next)` */
  readonly bytes: boolean
  readonly start: number
  readonly next: number
  /** of a varint */
  readonly value: number
}

function readField(bytes: Uint8Array, from: number, end: number): Field {
  const tag = varint(bytes, from, end)
  const number = Math.floor(tag.value / 8)
  let start = tag.next
  let next = start
  let value = 0
  const wireType = tag.value % 8
  if (wireType === 0) ({ value, next } = varint(bytes, start, end))
  else if (wireType === 1) next = start + 8
  else if (wireType === 5) next = start + 4
  else if (wireType === 2) {
    const length = varint(bytes, start, end)
    start = length.next
    next = start + length.value
  } else throw new RangeError(`wire type ${wireType} at byte ${from}`)
  if (next > end) throw new RangeError(`a field at byte ${from} ends beyond its message`)
  return { number, bytes: wireType === 2, start, next, value }
}

function varint(bytes: Uint8Array, from: number, end: number): { value: number; next: number } {
  let value = 0
  for (let i = 0; i < 10; i++) {
    if (from + i >= end) throw new RangeError(`a number at byte ${from} ends beyond its message`)
    const byte = bytes[from + i]!
    // Past 2^53 the number is not exact: neither a length nor a tag is that large.
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, next: from + i + 1 }
  }
  throw new RangeError(`a number at byte ${from} has more than ten bytes`)
}
