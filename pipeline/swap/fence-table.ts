/**
 * Which generation scores an offset, as the fence log says it when it is read in order: of the fences at or below the offset, the one of the
 * greatest generation. Fences of a partition grow in offset and generation together, so that is also the nearest one.
 *
 * A worker that has lost a partition without knowing may still write. So each owner claims its partitions before it scores, with an entry of
 * generation 0 that counts the claims of the partition. A claim counts when its number is above the last one, a fence when it is
 * the last claimant's; what does not count is void for every reader, its writer included.
 */
import type { TopicPartition } from '../../stages/ports.js'
import { claimNumber, type Fence, fenceKey } from '../messages.js'

export interface FenceLookup {
  /** undefined: the offset lies before the first fence, or there is none */
  readonly fence: Fence | undefined
  /** the first fence above the offset */
  readonly next: Fence | undefined
}

export interface Claim {
  readonly worker: string
  readonly number: number
}

export interface FenceTable {
  /** Notes a fence or a claim, in the order of the log: whether it counts. Of two with the same key the later counts, as compaction has it. */
  apply(fence: Fence): boolean
  /** The fence under this key is forgotten (a tombstone). */
  forget(key: string): void
  /** Takes a fence for true that its owner has just set, until the log says it too. */
  stage(fence: Fence): void
  /** fences of a partition that the log does not say yet */
  staged(of: TopicPartition): readonly Fence[]
  /** The log will not say them: this worker does not own the partition any more. */
  unstage(of: TopicPartition): void
  /** Who owns a partition by the log. */
  claim(of: TopicPartition): Claim | undefined
  /** Keys under which something void stands last in the log, until the owner says again what is true there. */
  disputed(of: TopicPartition): readonly string[]
  /** What the log says under a key. */
  find(key: string): Fence | undefined
  at(topic: string, partition: number, offset: number): FenceLookup
  /** The fence of this generation, of any partition: what it is and that it was ever used. */
  ofGeneration(generation: number): Fence | undefined
  /** how many fences of the partition the log says */
  count(of: TopicPartition): number
  /** Fences of the partition that decide about nothing from `offset` on: all before the one that scores it. */
  obsolete(topic: string, partition: number, offset: number): readonly Fence[]
  all(): Fence[]
}

interface Entry {
  /** what the log says, ascending in generation */
  fences: readonly Fence[]
  staged: readonly Fence[]
  claim: Claim | undefined
  readonly disputed: Set<string>
}

export function createFenceTable(): FenceTable {
  const partitions = new Map<string, Entry>()
  const entryAt = (topic: string, partition: number): Entry => {
    const key = `${topic}/${partition}`
    const entry = partitions.get(key) ?? { fences: [], staged: [], claim: undefined, disputed: new Set() }
    partitions.set(key, entry)
    return entry
  }
  const entryOf = ({ topic, partition }: TopicPartition) => entryAt(topic, partition)
  /** Of the partition that a key is about. */
  const entryUnder = (key: string) => partitions.get(key.split('/').slice(-3, -1).join('/'))
  const known = ({ fences, staged }: Entry) => staged.reduce(put, fences)

  const at = (topic: string, partition: number, offset: number): FenceLookup => {
    const fences = known(entryAt(topic, partition))
    const index = fences.findLastIndex((fence) => fence.offset <= offset)
    let next: Fence | undefined
    for (const fence of fences.slice(index + 1)) if (!next || fence.offset < next.offset) next = fence
    return { fence: fences[index], next }
  }

  return {
    at,
    apply(fence) {
      const entry = entryOf(fence)
      const { claim } = entry
      const number = claimNumber(fence)
      if (number !== undefined) {
        if (number <= (claim?.number ?? 0)) return false
        entry.claim = { worker: fence.worker, number }
        return true
      }
      const key = fenceKey(fence)
      if (claim && claim.worker !== fence.worker) {
        entry.disputed.add(key)
        return false
      }
      entry.disputed.delete(key)
      entry.fences = put(entry.fences, fence)
      entry.staged = entry.staged.filter((one) => !isSame(one, fence))
      return true
    },
    forget(key) {
      const entry = entryUnder(key)
      entry?.disputed.delete(key)
      if (entry) entry.fences = entry.fences.filter((fence) => fenceKey(fence) !== key)
    },
    stage(fence) {
      const entry = entryOf(fence)
      entry.staged = [...entry.staged, fence]
    },
    staged: (of) => entryOf(of).staged,
    unstage(of) {
      entryOf(of).staged = []
    },
    claim: (of) => entryOf(of).claim,
    disputed: (of) => [...entryOf(of).disputed],
    find: (key) => entryUnder(key)?.fences.find((fence) => fenceKey(fence) === key),
    ofGeneration(generation) {
      for (const entry of partitions.values()) {
        const found = known(entry).find((fence) => fence.generation === generation)
        if (found) return found
      }
      return undefined
    },
    count: (of) => entryOf(of).fences.length,
    obsolete(topic, partition, offset) {
      const { fence } = at(topic, partition, offset)
      return fence ? entryAt(topic, partition).fences.filter(({ generation }) => generation < fence.generation) : []
    },
    all: () => [...partitions.values()].flatMap(({ fences }) => fences),
  }
}

/** The fences with this one in its place. */
const put = (fences: readonly Fence[], fence: Fence): readonly Fence[] => {
  if ((fences.at(-1)?.generation ?? 0) < fence.generation) return [...fences, fence]
  const others = fences.filter(({ generation }) => generation !== fence.generation)
  return [...others, fence].sort((one, other) => one.generation - other.generation)
}

const isSame = (one: Fence, other: Fence): boolean =>
  one.generation === other.generation &&
  one.offset === other.offset &&
  one.digest === other.digest &&
  one.candidateDigest === other.candidateDigest
