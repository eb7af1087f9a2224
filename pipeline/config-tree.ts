/** Settings as they are written: groups in groups, and dotted paths through them. */

export type Tree = { [name: string]: unknown }

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Settings of `from` over those of `into`. */
export const merge = (into: Tree, from: Tree): void => {
  for (const [name, value] of Object.entries(from)) {
    const there = into[name]
    if (isTree(there) && isTree(value)) merge(there, value)
    // A group without settings, as YAML writes it: the same as none.
    else if (value !== null) into[name] = value
  }
}

/** Sets what is at the dotted path. A group that stands as a plain value (`ssl: true`) becomes a group. */
export const put = (tree: Tree, path: string, value: unknown): void => {
  const names = path.split('.')
  const last = names.pop()!
  let at = tree
  for (const name of names) {
    if (!isTree(at[name])) at[name] = {}
    at = at[name] as Tree
  }
  at[last] = value
}

export const valueAt = (tree: Tree, path: string): unknown =>
  path.split('.').reduce<unknown>((at, name) => (isTree(at) ? at[name] : undefined), tree)

/** Every path of the tree, groups included. */
export function* paths(tree: Tree, prefix = ''): Generator<string> {
  for (const [name, value] of Object.entries(tree)) {
    yield prefix + name
    if (isTree(value)) yield* paths(value, `${prefix}${name}.`)
  }
}

/** The paths of plain values and lists. */
export function* leaves(tree: object, prefix = ''): Generator<string> {
  for (const [name, value] of Object.entries(tree)) {
    if (isTree(value)) yield* leaves(value, `${prefix}${name}.`)
    else if (value !== undefined) yield prefix + name
  }
}
