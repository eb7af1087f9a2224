/**
 * A map of what is under way: a handful of entries that come and go, in the order in which they came. A `Map` that runs empty is given a new table,
 * and its old one points to the new. Once one of them has become old, V8's young collections keep all that came after it, with everything
 * that was ever in them: for minutes, under a light load.
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

  /** As they are now: entries may be deleted meanwhile. */
  values(): V[] {
    return [...this.held]
  }

  forEach(visit: (value: V, key: K) => void): void {
    for (const [at, key] of [...this.keys].entries()) visit(this.held[at]!, key)
  }
}
