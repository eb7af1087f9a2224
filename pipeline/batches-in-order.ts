/** When the batches that a stage is busy with came to it. The stage keeps order; in a canary a batch comes back in pieces. */
import type { MicroBatch } from '../stages/ports.js'

export interface BatchesInOrder {
  came(batch: MicroBatch, at: number): void
  /** A piece of the oldest comes back: the whole batch and when it came, if that was the last of it. */
  left(piece: MicroBatch): { readonly rows: number; readonly at: number } | undefined
  /** The pipe is gone, with all of them. */
  clear(): void
}

export const createBatchesInOrder = (): BatchesInOrder => {
  const inside: { readonly rows: number; readonly at: number; parts: number }[] = []
  return {
    came: ({ rows, parts }, at) => void inside.push({ rows, at, parts: parts.length }),
    left({ parts }) {
      const head = inside[0]
      if (!head) return undefined
      head.parts -= parts.length
      return head.parts > 0 ? undefined : inside.shift()
    },
    clear() {
      inside.length = 0
    },
  }
}
