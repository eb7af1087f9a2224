/** Chance that can be had again: mulberry32, from a seed that is printed. */
export interface Random {
  /** from 0 up to, not including, 1 */
  next(): number
  pick<T>(all: readonly T[]): T
  /** a whole number from `least` to `most` */
  between(least: number, most: number): number
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return { next, between, pick: (all) => all[between(0, all.length - 1)]! }
}
