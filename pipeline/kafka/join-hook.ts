/**
 * What kafkajs does not tell: when partitions are about to be given up. kafkajs stops its fetchers, emits REBALANCING and rejoins without
 * waiting for anybody. Here `joinAndSync`, which every rejoin goes through, first awaits a hook, so that what is in flight can be finished
 * and committed under the old generation: the broker takes commits of the old generation until the last member has rejoined.
 *
 * Found per consumer through its partition assigner: the one object that the public interface lets us hand in and kafkajs keeps.
 */
import kafkajs, { type Assigner, type PartitionAssigner } from 'kafkajs'
import { internal } from './internals.js'

export interface PartitionOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: string
}

/** A membership of one generation. */
export interface Membership {
  readonly assigned: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
  /** Tells the broker that the member lives. Rejects when it does not know it, or when the group rebalances. */
  heartbeat(): Promise<void>
  /** Commits in the name of this generation: a later one is refused by the broker, never mixed up with it. Tries once. */
  commit(offsets: readonly PartitionOffset[]): Promise<void>
}

export interface GroupHooks {
  /** Awaited before the member joins or rejoins: whatever it holds is about to be given up. */
  beforeJoin(): Promise<void>
  /** Called once it has joined, before the first fetch. */
  joined(membership: Membership): void
  /** The position of a partition, at each fetch of it. */
  position(topic: string, partition: number, offset: string): void
  /** The broker does not have this offset any more (or not yet): the earliest it has comes next. */
  outOfRange(topic: string, partition: number, offset: string): void
}

interface OffsetManager {
  commitOffsets(offsets: {
    topics: { topic: string; partitions: { partition: number; offset: string }[] }[]
  }): Promise<void>
  nextOffset(topic: string, partition: number): { toString(): string }
}

interface ConsumerGroup {
  readonly assigners: readonly object[]
  readonly offsetManager: OffsetManager
  assigned(): { topic: string; partitions: number[] }[]
  heartbeat(options: { interval: number }): Promise<void>
  joinAndSync(): Promise<void>
  fetch(nodeId: string): Promise<{ topic: string; partition: number; fetchedOffset: string }[]>
  recoverFromOffsetOutOfRange(error: { topic: string; partition: number }): Promise<void>
}

const hooksOf = new WeakMap<object, GroupHooks>()
let installed: boolean | undefined

/** A partition assigner that carries the hooks, and whether they will be called: not on a release of kafkajs that nobody has read. */
export const hookedAssigner = (hooks: GroupHooks): { assigner: PartitionAssigner; hooked: boolean } => {
  installed ??= install()
  return {
    hooked: installed,
    assigner: (config) => {
      const assigner: Assigner = kafkajs.PartitionAssigners.roundRobin(config)
      hooksOf.set(assigner, hooks)
      return assigner
    },
  }
}

const install = (): boolean => {
  const group = internal<{ prototype: ConsumerGroup }>('consumer/consumerGroup')?.prototype
  if (!group) return false
  const { joinAndSync, fetch, recoverFromOffsetOutOfRange } = group
  const find = (self: ConsumerGroup): GroupHooks | undefined => {
    for (const assigner of self.assigners) {
      const hooks = hooksOf.get(assigner)
      if (hooks) return hooks
    }
    return undefined
  }

  group.joinAndSync = async function () {
    const hooks = find(this)
    await hooks?.beforeJoin()
    await joinAndSync.call(this)
    hooks?.joined(membership(this))
  }

  group.fetch = async function (nodeId) {
    const { offsetManager } = this
    const batches = await fetch.call(this, nodeId)
    const hooks = find(this)
    if (!hooks) return batches
    // Each join makes a new offset manager: what was fetched under the one before belongs to an assignment that has ended.
    if (this.offsetManager !== offsetManager) return []
    for (const { topic, partition, fetchedOffset } of batches) hooks.position(topic, partition, fetchedOffset)
    return batches
  }

  group.recoverFromOffsetOutOfRange = async function (error) {
    find(this)?.outOfRange(
      error.topic,
      error.partition,
      this.offsetManager.nextOffset(error.topic, error.partition).toString(),
    )
    await recoverFromOffsetOutOfRange.call(this, error)
  }
  return true
}

const membership = (group: ConsumerGroup): Membership => {
  const { offsetManager } = group
  return {
    assigned: group.assigned(),
    heartbeat: () => group.heartbeat({ interval: 0 }),
    commit: (offsets) => offsetManager.commitOffsets({ topics: byTopic(offsets) }),
  }
}

const byTopic = (offsets: readonly PartitionOffset[]) => {
  const topics = new Map<string, { partition: number; offset: string }[]>()
  for (const { topic, partition, offset } of offsets) {
    const partitions = topics.get(topic) ?? []
    partitions.push({ partition, offset })
    topics.set(topic, partitions)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}
