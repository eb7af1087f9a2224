/** Fences last as long as the records they speak of: what retention has taken from the input goes from the fence log too, and from memory. */
import type { TopicPartition } from '../../stages/ports.js'
import type { Fence } from '../messages.js'
import type { FenceTable } from './fence-table.js'

export interface FenceRetentionOptions {
  readonly table: FenceTable
  /** Forgets them in the table and in the log. */
  readonly remove: (fences: readonly Fence[]) => void
  readonly firstOffsets: (partitions: readonly TopicPartition[]) => Promise<readonly number[]>
}

export interface FenceRetention {
  /** A fence of the partition, which this worker owns, is in the log. */
  added(fence: Fence): void
}

/** fences of a partition before the input is looked at for the first time */
const fewFences = 64

/**
 * Looks at the input when the fences of a partition have doubled since the last time: seldom, and often enough that there are never more than
 * twice as many as the records that are left need.
 */
export function createFenceRetention({ table, remove, firstOffsets }: FenceRetentionOptions): FenceRetention {
  /** by partition: how many fences call for a look */
  const limits = new Map<string, number>()
  const due = new Map<string, TopicPartition>()
  let looking = false

  const look = async () => {
    looking = true
    try {
      while (due.size > 0) {
        const partitions = [...due.values()]
        due.clear()
        const firsts = await firstOffsets(partitions)
        partitions.forEach(({ topic, partition }, index) => {
          remove(table.obsolete(topic, partition, firsts[index]!))
          limits.set(nameOf({ topic, partition }), Math.max(fewFences, 2 * table.count({ topic, partition })))
        })
      }
    } finally {
      looking = false
    }
  }

  return {
    added({ topic, partition }) {
      const of = { topic, partition }
      const name = nameOf(of)
      if (table.count(of) < (limits.get(name) ?? fewFences)) return
      due.set(name, of)
      if (!looking) void look().catch(() => undefined)
    },
  }
}

const nameOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`
