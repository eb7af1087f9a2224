/** The fences of a deployment in one worker: what the log says of them, and what this worker adds to it. */
import type { FenceGate, TopicPartition } from '../../stages/ports.js'
import { pause } from '../backoff.js'
import { claimNumber, claimOf, type Fence, fenceKey } from '../messages.js'
import { createFenceRetention } from './fence-retention.js'
import { createFenceTable, type FenceTable } from './fence-table.js'
import { followLog } from './log-follower.js'
import type { WritableLog } from './logs.js'

/** An entry of the fence log: a tombstone has no fence. */
export interface FenceEntry {
  readonly key: string
  readonly fence: Fence | null
}

/** The time for which this worker owns partitions. */
export interface Tenure {
  /** Resolves when the group still knows this worker as the owner. */
  readonly confirm: () => Promise<void>
  /** aborts when the partitions are given up */
  readonly signal: AbortSignal
}

export interface FencesOptions {
  readonly deployment: string
  /** id of this worker */
  readonly worker: string
  readonly log: WritableLog<FenceEntry>
  /** a fence that counts is in the log */
  readonly onFence: (fence: Fence, own: boolean) => void
  readonly onUnreadable: (reason: string) => void
  /** The first offset that each of the partitions has. Waits for the broker; rejects when the log ends. */
  readonly firstOffsets: (partitions: readonly TopicPartition[]) => Promise<readonly number[]>
  /** how long to wait before the group is asked again */
  readonly retryMs: number
}

export interface Fences extends FenceGate {
  readonly table: FenceTable
  /** Resolves when every fence that is in the log at the time of the call is in the table. */
  catchUp(): Promise<void>
  /**
   * Makes this worker the owner of the partitions, by the log: what others write there afterwards is void. Resolves when that is so, and
   * everything that counts is in the table; or when the tenure ends. From when another worker's claim is read here, `written` never resolves.
   */
  claim(partitions: readonly TopicPartition[], tenure: Tenure): Promise<void>
  /** Sets a fence: in the table at once, in the log soon; `written` tells when. */
  set(fence: Fence): void
  /** Forgets the fences in the log and here. */
  remove(fences: readonly Fence[]): void
  /** The partitions are somebody else's now: their fences are not defended any more. */
  disown(partitions: readonly TopicPartition[]): void
  close(): void
}

export function createFences(options: FencesOptions): Fences {
  const { deployment, worker, log, onFence } = options
  const table = createFenceTable()
  const owned = new Set<string>()
  /** partitions that another worker has claimed since, while this one has not been told by the group */
  const lost = new Set<string>()
  /** by partition: what `written` has promised */
  const gates = new Map<string, { readonly opened: Promise<void>; open(): void }>()

  const write = (key: string, fence: Fence | null) => log.append({ key, fence })
  const soon = (key: string, fence: Fence | null) => void write(key, fence).catch(() => undefined)

  const remove = (fences: readonly Fence[]) => {
    for (const fence of fences) {
      const key = fenceKey(fence)
      table.forget(key)
      soon(key, null)
    }
  }
  const retention = createFenceRetention({ table, remove, firstOffsets: options.firstOffsets })

  /** Says what is true where something void stands, so that the log and its compaction end with it. */
  const defend = (of: TopicPartition) => {
    for (const key of table.disputed(of)) {
      // One that is under way is not in the log yet, but will be before what is said here.
      const fence = table.staged(of).find((one) => fenceKey(one) === key) ?? table.find(key)
      soon(key, fence ? { ...fence, worker } : null)
    }
  }

  const seen = ({ key, fence }: FenceEntry) => {
    if (!fence) return seenTombstone(key)
    const name = nameOf(fence)
    const counts = table.apply(fence)
    if (claimNumber(fence) !== undefined) {
      if (counts && fence.worker !== worker && owned.delete(name)) lost.add(name)
      return
    }
    if (!counts) {
      if (owned.has(name)) defend(fence)
      return
    }
    onFence(fence, fence.worker === worker)
    if (owned.has(name)) retention.added(fence)
    if (table.staged(fence).length > 0) return
    gates.get(name)?.open()
    gates.delete(name)
  }

  const seenTombstone = (key: string) => {
    const fence = table.find(key)
    // What this worker removed is not in the table any more: somebody else did not know better.
    if (fence && owned.has(nameOf(fence))) soon(key, { ...fence, worker })
    else table.forget(key)
  }

  const follower = followLog(log, (item) => {
    if (item.type === 'entry') seen(item.value)
    else options.onUnreadable(item.error.message)
  })

  /** The claims that count. None when the group does not know this worker, or not now. */
  const tryClaim = async (partitions: readonly TopicPartition[], confirm: Tenure['confirm']): Promise<Fence[]> => {
    await follower.catchUp()
    const claims = partitions.map(({ topic, partition }) => {
      const number = (table.claim({ topic, partition })?.number ?? 0) + 1
      return claimOf({ deployment, topic, partition, worker }, number, Date.now())
    })
    // Asked after the log was read: whoever owns the partitions later will claim a higher number, or this one before us.
    const confirmed = await confirm().then(
      () => true,
      () => false,
    )
    if (!confirmed) return []
    await Promise.all(claims.map((claim) => write(fenceKey(claim), claim)))
    await follower.catchUp()
    return claims.filter((one) => {
      const claim = table.claim(one)
      return claim?.worker === worker && claim.number === claimNumber(one)
    })
  }

  return {
    table,
    catchUp: () => follower.catchUp(),
    async claim(partitions, tenure) {
      const { confirm, signal } = tenure
      for (let missing = partitions; missing.length > 0; await pause(options.retryMs, signal)) {
        const claims = await tryClaim(missing, confirm)
        if (signal.aborted) return
        for (const claim of claims) {
          owned.add(nameOf(claim))
          lost.delete(nameOf(claim))
          defend(claim)
        }
        missing = missing.filter((of) => !owned.has(nameOf(of)))
        if (missing.length === 0) return
      }
    },
    set(fence) {
      table.stage(fence)
      const name = nameOf(fence)
      if (!gates.has(name)) gates.set(name, createGate())
      soon(fenceKey(fence), fence)
    },
    written(topic, partition) {
      const name = nameOf({ topic, partition })
      return lost.has(name) ? never : gates.get(name)?.opened
    },
    remove,
    disown(partitions) {
      for (const of of partitions) {
        owned.delete(nameOf(of))
        lost.delete(nameOf(of))
        gates.delete(nameOf(of))
        table.unstage(of)
      }
    },
    close: () => follower.close(),
  }
}

const nameOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`

/** What another owns is not published any more; the pipe ends when the group says so too. */
const never = new Promise<void>(() => undefined)

const createGate = () => {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
