/** Input as it comes from whoever has a bug, or means harm: sound input, changed in a few places. */
import type { Random } from '../chaos/random.js'

/** A seed for the `index`-th input of a kind, so that it can be had again alone. */
export const seedOf = (seed: number, kind: string, index: number): number => {
  let mixed = seed
  for (const letter of kind) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193)
  return (Math.imul(mixed ^ index, 0x9e3779b1) ^ (index << 7)) >>> 0
}

export const randomBytes = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => random.between(0, 255)))

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

/** One to four changes: bits, bytes of note, parts that are missing, doubled, foreign or cut off. */
export const mutateBytes = (bytes: Buffer, random: Random): Buffer => {
  let changed: Buffer = Buffer.from(bytes)
  for (let left = random.between(1, 4); left > 0; left--) changed = changeBytes(changed, random)
  return changed
}

const changeBytes = (bytes: Buffer, random: Random): Buffer => {
  const at = random.between(0, bytes.length)
  const length = random.between(1, 16)
  const around = (middle: Uint8Array, skipped: number) =>
    Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(Math.min(bytes.length, at + skipped))])
  switch (random.between(0, 6)) {
    case 0: {
      if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random.between(0, 7))
      return bytes
    }
    case 1:
      return around(Buffer.from(random.pick(bytesOfNote), 'hex'), length)
    case 2:
      return around(Buffer.from(random.pick(bytesOfNote), 'hex'), 1)
    case 3:
      return around(randomBytes(random, length), random.between(0, 1) * length)
    case 4:
      return around(Buffer.alloc(0), length)
    case 5:
      return around(bytes.subarray(at, at + length * 2), length)
    default:
      return bytes.subarray(0, at)
  }
}

/** One to eight bits: what holds bytes of a length, as a model does, stays whole in its shape. */
export const flipBits = (bytes: Buffer, random: Random): Buffer => {
  const changed = Buffer.from(bytes)
  for (let left = random.between(1, 8); left > 0 && changed.length > 0; left--) {
    const at = random.between(0, changed.length - 1)
    changed[at] = changed[at]! ^ (1 << random.between(0, 7))
  }
  return changed
}

type Tree = unknown

const deep = (depth: number): Tree => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)

/** Values where things go wrong. */
const valuesOfNote: readonly (() => Tree)[] = [
  () => null,
  () => '',
  () => -1,
  () => 0,
  () => 2 ** 31,
  () => 2 ** 53,
  () => 1e308,
  () => 0.5,
  () => true,
  () => [],
  () => ({}),
  () => '../../etc/passwd',
  () => '__proto__',
  () => JSON.parse('{"__proto__": {"polluted": true}}'),
  () => 'x'.repeat(100_000),
  () => Array.from({ length: 1_000 }, (_, index) => index),
  () => deep(200),
  () => '\u0000\ud800\u202e',
]

/** One to four changes of a JSON tree: values of note, parts that are missing, renamed, doubled or exchanged. */
export const mutateTree = (tree: Tree, random: Random): Tree => {
  let changed = structuredClone(tree)
  for (let left = random.between(1, 4); left > 0; left--) changed = changeTree(changed, random)
  return changed
}

const changeTree = (tree: Tree, random: Random): Tree => {
  // The further down, the rarer the stop: most of a tree is leaves.
  if (typeof tree !== 'object' || tree === null || random.next() < 0.15) return random.pick(valuesOfNote)()
  if (Array.isArray(tree)) {
    const at = random.between(0, Math.max(0, tree.length - 1))
    const choice = random.between(0, 5)
    if (choice === 0) return tree.toSpliced(at, 1)
    if (choice === 1) return [...tree, tree[at]]
    if (choice === 2) return tree.toReversed()
    return tree.length === 0 ? [random.pick(valuesOfNote)()] : tree.with(at, changeTree(tree[at], random))
  }
  const entries = Object.entries(tree)
  if (entries.length === 0) return { [random.pick(['x', '__proto__', 'constructor'])]: random.pick(valuesOfNote)() }
  const at = random.between(0, entries.length - 1)
  const [name, value] = entries[at]!
  const choice = random.between(0, 7)
  if (choice === 0) return Object.fromEntries(entries.toSpliced(at, 1))
  if (choice === 1) return Object.fromEntries(entries.with(at, [`${name}x`, value]))
  if (choice === 2) return Object.fromEntries(entries.with(at, [name, random.pick(entries)[1]]))
  return Object.fromEntries(entries.with(at, [name, changeTree(value, random)]))
}
