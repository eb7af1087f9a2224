/** The fences of a deployment in one worker: what the log says of them, and what this worker adds to it. */
import type { FenceGate, Generation } from '../../stages/ports.js'
import { type Fence, fenceKey } from '../messages.js'
import { createFenceTable, type FenceTable } from './fence-table.js'
import { followLog } from './log-follower.js'
import type { WritableLog } from './logs.js'

/** An entry of the fence log: a tombstone has no fence. */
export interface FenceEntry {
  readonly key: string
  readonly fence: Fence | null
}

export interface FencesOptions {
  readonly log: WritableLog<FenceEntry>
  /** a fence of somebody else came in, or one of this worker is written */
  readonly onFence: (fence: Fence, own: boolean) => void
  readonly onUnreadable: (reason: string) => void
}

export interface Fences extends FenceGate {
  readonly table: FenceTable
  /** Resolves when every fence that is in the log at the time of the call is in the table. */
  catchUp(): Promise<void>
  /** Sets a fence: in the table at once, in the log soon; `written` tells when. */
  set(fence: Fence): void
  /** Forgets the fences in the log and here. */
  remove(fences: readonly Fence[]): void
  /** The partitions are somebody else's now: their fences are not defended any more. */
  disown(partitions: readonly { readonly topic: string; readonly partition: number }[]): void
  close(): void
}

export function createFences({ log, onFence, onUnreadable }: FencesOptions): Fences {
  const table = createFenceTable()
  /** by partition, the write that is under way last */
  const pending = new Map<string, Promise<void>>()
  /** what this worker set in partitions that it owns, by key */
  const own = new Map<string, Fence>()
  const partitionOf = ({ topic, partition }: { topic: string; partition: number }) => `${topic}/${partition}`

  const write = (fence: Fence): Promise<void> => log.append({ key: fenceKey(fence), fence })

  const seen = ({ key, fence }: FenceEntry) => {
    if (!fence) return forget(key)
    const mine = own.get(key)
    if (!mine) {
      table.apply(fence)
      onFence(fence, false)
    } else if (mine.offset !== fence.offset || mine.digest !== fence.digest) {
      // Somebody who has lost the partition wrote late. Its owner says it again, so that the log and its compaction end with what is true.
      void write(mine).catch(() => undefined)
    }
  }
  const forget = (key: string) => {
    const found = table.all().find((fence) => fenceKey(fence) === key)
    if (found && !own.has(key)) table.forget(found.topic, found.partition, found.generation)
  }

  const follower = followLog(log, (item) => {
    if (item.type === 'entry') seen(item.value)
    else onUnreadable(item.error.message)
  })

  return {
    table,
    catchUp: () => follower.catchUp(),
    set(fence) {
      table.apply(fence)
      own.set(fenceKey(fence), fence)
      const partition = partitionOf(fence)
      const written = write(fence).then(() => {
        if (pending.get(partition) === written) pending.delete(partition)
        onFence(fence, true)
      })
      pending.set(partition, written)
      written.catch(() => undefined)
    },
    written: (topic, partition, _generation: Generation) => pending.get(partitionOf({ topic, partition })),
    remove(fences) {
      for (const fence of fences) {
        own.delete(fenceKey(fence))
        table.forget(fence.topic, fence.partition, fence.generation)
        void log.append({ key: fenceKey(fence), fence: null }).catch(() => undefined)
      }
    },
    disown(partitions) {
      const lost = new Set(partitions.map(partitionOf))
      for (const [key, fence] of own) if (lost.has(partitionOf(fence))) own.delete(key)
    },
    close: () => follower.close(),
  }
}
