/** The predictions of one input partition as they lie in their topic: mostly in the order of the input, again and again where it was read again. */
import type { Prediction } from '../messages.js'

export interface PredictionWindow {
  /** Reads on until a prediction of `offset` or beyond has been seen, or the topic ends. */
  readUntil(offset: number): Promise<void>
  /** What was said of an offset so far, which stays. */
  said(offset: number): readonly Prediction[]
  /** Takes what was said of an offset: the first, and any others. */
  take(offset: number): readonly Prediction[]
  /** What was said of offsets that are behind: duplicates of what was taken, which it then forgets. */
  takeBehind(offset: number): readonly Prediction[]
}

/** `predictions`: of one partition, in order. Holds what lies between the slowest and the fastest of two readings of the same records. */
export function createPredictionWindow(predictions: AsyncIterator<Prediction>): PredictionWindow {
  const held = new Map<number, Prediction[]>()
  let furthest = -1
  let ended = false
  return {
    async readUntil(offset) {
      while (!ended && furthest < offset) {
        const { done, value } = await predictions.next()
        if (done) {
          ended = true
          return
        }
        furthest = Math.max(furthest, value.offset)
        const same = held.get(value.offset)
        if (same) same.push(value)
        else held.set(value.offset, [value])
      }
    },
    said: (offset) => held.get(offset) ?? [],
    take(offset) {
      const found = held.get(offset) ?? []
      held.delete(offset)
      return found
    },
    takeBehind(offset) {
      const behind: Prediction[] = []
      for (const [at, found] of held)
        if (at < offset) {
          behind.push(...found)
          held.delete(at)
        }
      return behind
    },
  }
}
