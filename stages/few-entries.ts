/**
 * What is under way: a handful that comes and goes, in the order in which it came. A `Map` or a `Set` that runs empty is given a new table, and its
 * old one points to the new. Once one of them has become old, V8's young collections keep all that came after it, with everything that was
 * ever in them: for minutes, under a light load.
 *
 * They are used as `Map` and `Set` are, except that they are walked as they stood when the walk began; a search is one through all.
 */
export class FewEntries<K, V> {
  private readonly keys: K[] = []
  private readonly held: V[] = []

  get size(): number {
    return this.keys.length
  }

  has(key: K): boolean {
    return this.keys.includes(key)
  }

  get(key: K): V | undefined {
    return this.held[this.keys.indexOf(key)]
  }

  set(key: K, value: V): this {
    const at = this.keys.indexOf(key)
    if (at < 0) {
      this.keys.push(key)
      this.held.push(value)
    } else this.held[at] = value
    return this
  }

  delete(key: K): boolean {
    const at = this.keys.indexOf(key)
    if (at < 0) return false
    this.keys.splice(at, 1)
    this.held.splice(at, 1)
    return true
  }

  clear(): void {
    this.keys.length = 0
    this.held.length = 0
  }

  values(): V[] {
    return [...this.held]
  }

  forEach(visit: (value: V, key: K) => void): void {
    for (const [key, value] of this) visit(value, key)
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.keys.map((key, at): [K, V] => [key, this.held[at]!]).values()
  }
}

export class FewMembers<T> {
  private readonly members: T[] = []

  add(member: T): this {
    if (!this.members.includes(member)) this.members.push(member)
    return this
  }

  delete(member: T): boolean {
    const at = this.members.indexOf(member)
    if (at < 0) return false
    this.members.splice(at, 1)
    return true
  }

  clear(): void {
    this.members.length = 0
  }

  [Symbol.iterator](): IterableIterator<T> {
    return [...this.members].values()
  }
}
