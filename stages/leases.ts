import { FewEntries } from './few-entries.js'
import type { Generation } from './ports.js'

/** The leases that one pipe holds. A generation's session can be freed once every pipe has given its leases back. */
export interface Leases {
  /** Takes one lease of the generation. After `releaseAll` nothing is taken. */
  retain(generation: Generation): void
  /** Gives one lease back. After `releaseAll` there is nothing to give back, so a straggler does no harm. */
  release(generation: Generation): void
  /** Gives back everything that is still out. Idempotent. */
  releaseAll(): void
  /** leases that are out */
  readonly held: number
}

/**
 * Counts the leases of one pipe, so that they are balanced however the pipe ends. `decode` takes one for each `Decoded`, `microBatch` one
 * more for each split, `refund` gives them back. A pipe that is torn down gives back the rest: the assembly makes one `Leases` per pipe and
 * ends the pipe with `finalize(leases.releaseAll)`. Calls that are still running then are waited for by `Scorer.close`.
 */
export function createLeases(): Leases {
  const counts = new FewEntries<Generation, number>()
  let ended = false
  return {
    retain(generation) {
      if (ended) return
      generation.retain()
      counts.set(generation, (counts.get(generation) ?? 0) + 1)
    },
    release(generation) {
      if (ended) return
      const count = counts.get(generation)
      if (count === undefined) throw new RangeError(`no lease of generation ${generation.number} is out`)
      if (count === 1) counts.delete(generation)
      else counts.set(generation, count - 1)
      generation.release()
    },
    releaseAll() {
      ended = true
      for (const [generation, count] of counts) for (let i = 0; i < count; i++) generation.release()
      counts.clear()
    },
    get held() {
      let held = 0
      for (const count of counts.values()) held += count
      return held
    },
  }
}
