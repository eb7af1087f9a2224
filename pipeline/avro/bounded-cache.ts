/** A map that forgets its oldest entries beyond `size`, and any entry `lifetimeMs` after it was set. */
export class BoundedCache<K, V> {
  private readonly entries = new Map<K, { readonly value: V; readonly until: number }>()

  constructor(
    private readonly size: number,
    private readonly lifetimeMs = Number.POSITIVE_INFINITY,
  ) {}

  get(key: K): V | undefined {
    const entry = this.entries.get(key)
    if (!entry) return undefined
    if (entry.until > Date.now()) return entry.value
    this.entries.delete(key)
    return undefined
  }

  set(key: K, value: V): void {
    this.entries.delete(key)
    this.entries.set(key, { value, until: Date.now() + this.lifetimeMs })
    if (this.entries.size > this.size) for (const oldest of this.entries.keys()) return void this.entries.delete(oldest)
  }

  clear(): void {
    this.entries.clear()
  }
}
