/**
 * Which generation scores an offset, as the fences say it: of the fences at or below the offset, the one of the greatest generation. Fences
 * of a partition grow in offset and generation together, so that is also the nearest one.
 */
import type { Fence } from '../messages.js'

export interface FenceLookup {
  /** undefined: the offset lies before the first fence, or there is none */
  readonly fence: Fence | undefined
  /** the first fence above the offset */
  readonly next: Fence | undefined
}

export interface FenceTable {
  /** Notes a fence; of two with the same partition and generation the later write counts, as compaction has it. */
  apply(fence: Fence): void
  /** The generation of this key is forgotten (a tombstone). */
  forget(topic: string, partition: number, generation: number): void
  at(topic: string, partition: number, offset: number): FenceLookup
  /** The fence of the newest generation of a partition. */
  last(topic: string, partition: number): Fence | undefined
  /** The fence of this generation, of any partition: what it is and that it was ever used. */
  ofGeneration(generation: number): Fence | undefined
  /** Fences of the partition that decide about nothing from `offset` on: all before the one that scores it. */
  obsolete(topic: string, partition: number, offset: number): readonly Fence[]
  all(): Fence[]
}

export function createFenceTable(): FenceTable {
  /** by partition, ascending in generation */
  const partitions = new Map<string, Fence[]>()
  const keyOf = (topic: string, partition: number) => `${topic}/${partition}`

  const at = (topic: string, partition: number, offset: number): FenceLookup => {
    const fences = partitions.get(keyOf(topic, partition)) ?? []
    for (let i = fences.length - 1; i >= 0; i--) {
      if (fences[i]!.offset > offset) continue
      const next = fences.slice(i + 1).find((one) => one.offset > offset)
      return { fence: fences[i], next }
    }
    // One that was set by somebody who had lost the partition may lie beyond a newer one: the nearest counts.
    const next = fences.reduce<Fence | undefined>(
      (low, one) => (low && low.offset <= one.offset ? low : one),
      undefined,
    )
    return { fence: undefined, next }
  }

  return {
    apply(fence) {
      const key = keyOf(fence.topic, fence.partition)
      const fences = partitions.get(key) ?? []
      partitions.set(key, fences)
      const index = fences.findIndex(({ generation }) => generation >= fence.generation)
      if (index === -1) fences.push(fence)
      else fences.splice(index, fences[index]!.generation === fence.generation ? 1 : 0, fence)
    },
    forget(topic, partition, generation) {
      const key = keyOf(topic, partition)
      const left = (partitions.get(key) ?? []).filter((one) => one.generation !== generation)
      if (left.length > 0) partitions.set(key, left)
      else partitions.delete(key)
    },
    at,
    last: (topic, partition) => partitions.get(keyOf(topic, partition))?.at(-1),
    ofGeneration(generation) {
      for (const fences of partitions.values()) {
        const found = fences.find((fence) => fence.generation === generation)
        if (found) return found
      }
      return undefined
    },
    obsolete(topic, partition, offset) {
      const { fence } = at(topic, partition, offset)
      if (!fence) return []
      return (partitions.get(keyOf(topic, partition)) ?? []).filter(({ generation }) => generation < fence.generation)
    },
    all: () => [...partitions.values()].flat(),
  }
}
