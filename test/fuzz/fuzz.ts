/** Kinds of input, one input after the other. */
import { createRandom } from '../chaos/random.js'
import type { Kind } from './kinds.js'
import { seedOf } from './mutation.js'
import { noteMemory, type Tally, watch } from './tally.js'

export interface FuzzOptions {
  readonly inputs: number
  readonly seed: number
  readonly capMb: number
  /** Before each input: whoever watches knows what is under way. */
  readonly onInput?: (index: number) => void
}

/** The `index`-th input of a kind is a function of the seed and the index. */
export async function fuzzKind(kind: Kind, tally: Tally, { inputs, seed, capMb, onInput }: FuzzOptions): Promise<void> {
  for (let index = 0; index < inputs; index++) {
    onInput?.(index)
    await watch(tally, `input ${index}`, () => kind.try(createRandom(seedOf(seed, kind.name, index))))
    if (index % 64 === 0) noteMemory(tally, capMb)
  }
  noteMemory(tally, capMb)
}
