/** JSON trees, changed in a few places: values of note, parts that are missing, renamed, doubled or exchanged. */
import fc from 'fast-check'
import { type ByteChange, byteChanges, changeBytes } from './change-bytes.js'

type Tree = unknown

/** Values where things go wrong. */
const valuesOfNote = {
  null: () => null,
  'an empty string': () => '',
  '-1': () => -1,
  '0': () => 0,
  '2^31': () => 2 ** 31,
  '2^53': () => 2 ** 53,
  '1e308': () => 1e308,
  '0.5': () => 0.5,
  true: () => true,
  'an empty array': () => [],
  'an empty object': () => ({}),
  'a path': () => '../../etc/passwd',
  __proto__: () => '__proto__',
  'a prototype': () => JSON.parse('{"__proto__": {"polluted": true}}'),
  'a long string': () => 'x'.repeat(100_000),
  'a long array': () => Array.from({ length: 1_000 }, (_, index) => index),
  'a deep array': () => JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`),
  'odd characters': () => '\u0000\ud800\u202e',
} satisfies Record<string, () => Tree>

type Note = keyof typeof valuesOfNote
type Value = { readonly note: Note } | { readonly json: Tree }

/** Steps down along `path`, each modulo the number of children; the further down, the more of a tree there is. */
export interface TreeChange {
  readonly path: readonly number[]
  readonly change:
    | { readonly value: Value }
    | { readonly drop: number }
    | { readonly double: number }
    | { readonly rename: number; readonly to: string }
    | { readonly exchange: readonly [number, number] }
    | 'reverse'
}

const child = fc.nat(1_000)
const value = fc.oneof(
  { weight: 3, arbitrary: fc.record({ note: fc.constantFrom(...(Object.keys(valuesOfNote) as Note[])) }) },
  fc.record({ json: fc.jsonValue({ maxDepth: 2 }) }),
)

export const treeChanges: fc.Arbitrary<TreeChange[]> = fc.array(
  fc.record({
    path: fc.array(child, { maxLength: 8, size: 'max' }),
    change: fc.oneof(
      { weight: 4, arbitrary: fc.record({ value }) },
      fc.record({ drop: child }),
      fc.record({ double: child }),
      fc.record({ rename: child, to: fc.constantFrom('x', '__proto__', 'constructor', 'name', 'type') }),
      fc.record({ exchange: fc.tuple(child, child) }),
      fc.constant('reverse' as const),
    ),
  }),
  { minLength: 1, maxLength: 4 },
)

export const changeTree = (tree: Tree, changes: readonly TreeChange[]): Tree => {
  let changed = structuredClone(tree)
  for (const { path, change } of changes) changed = changeAt(changed, path, change)
  return changed
}

const replacement = (value: Value): Tree => ('note' in value ? valuesOfNote[value.note]() : value.json)

const changeAt = (tree: Tree, [step, ...path]: readonly number[], change: TreeChange['change']): Tree => {
  // At a leaf there is nothing else to change.
  if (typeof tree !== 'object' || tree === null)
    return change !== 'reverse' && 'value' in change ? replacement(change.value) : null
  const entries = Object.entries(tree)
  const back = (changed: readonly (readonly [string, Tree])[]): Tree =>
    Array.isArray(tree) ? changed.map(([, one]) => one) : Object.fromEntries(changed)
  if (step !== undefined && entries.length > 0) {
    const at = step % entries.length
    const [name, one] = entries[at]!
    return back(entries.with(at, [name, changeAt(one, path, change)]))
  }
  if (change === 'reverse') return back(entries.toReversed())
  if ('value' in change) return replacement(change.value)
  if (entries.length === 0) return back([['x', null]])
  const nth = (which: number) => which % entries.length
  if ('drop' in change) return back(entries.toSpliced(nth(change.drop), 1))
  if ('double' in change) {
    const [name, one] = entries[nth(change.double)]!
    return back([...entries, [`${name}x`, one]])
  }
  if ('rename' in change) return back(entries.with(nth(change.rename), [change.to, entries[nth(change.rename)]![1]]))
  const [one, other] = change.exchange.map(nth) as [number, number]
  return back(entries.with(one, [entries[one]![0], entries[other]![1]]))
}

/** A JSON document: mostly changed as a tree, now and then as text. */
export type JsonChange = { readonly tree: readonly TreeChange[] } | { readonly text: readonly ByteChange[] }

export const jsonChange: fc.Arbitrary<JsonChange> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ tree: treeChanges }) },
  fc.record({ text: byteChanges }),
)

export const jsonBytes = (tree: Tree): Buffer => Buffer.from(JSON.stringify(tree) ?? '')

export const changeJson = (bytes: Buffer, change: JsonChange): Buffer =>
  'tree' in change ? jsonBytes(changeTree(JSON.parse(bytes.toString()), change.tree)) : changeBytes(bytes, change.text)
