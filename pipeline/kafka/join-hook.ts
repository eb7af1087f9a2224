/**
 * What kafkajs does not tell: when partitions are about to be given up. kafkajs stops its fetchers, emits REBALANCING and rejoins without
 * waiting for anybody. Here `joinAndSync`, which every rejoin goes through, first awaits a hook, so that what is in flight can be finished
 * and committed under the old generation: the broker takes commits of the old generation until the last member has rejoined.
 *
 * Also its fetching: `fetch`, which its loop calls for each broker, asks the hook instead, so that kafkajs keeps the membership and its
 * recovery from errors, while what is fetched goes its own way.
 *
 * Found per consumer through its partition assigner: the one object that the public interface lets us hand in and kafkajs keeps.
 */
import kafkajs, { type Assigner, type Broker, type Cluster, type PartitionAssigner } from 'kafkajs'
import { logEdge } from './cluster.js'
import { internal } from './internals.js'

export interface PartitionOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: string
}

/** A membership of one generation. */
export interface Membership {
  readonly assigned: readonly TopicPartitions[]
  /** Tells the broker that the member lives. Rejects when it does not know it, or when the group rebalances. */
  heartbeat(): Promise<void>
  /** Commits in the name of this generation: a later one is refused by the broker, never mixed up with it. Tries once. */
  commit(offsets: readonly PartitionOffset[]): Promise<void>
}

/** Where the member's partitions stand at the broker. */
export interface GroupLog {
  /** Where reading begins: what the group has committed, else the edge of the log that was subscribed to. */
  positions(topic: string): Promise<Map<number, number>>
  edge(topic: string, partition: number, edge: 'first' | 'end'): Promise<number>
}

export interface GroupHooks {
  /** Awaited before the member joins or rejoins: whatever it holds is about to be given up. */
  beforeJoin(): Promise<void>
  /** Called once it has joined, before the first fetch. */
  joined(membership: Membership, log: GroupLog): void
  /**
   * One fetch from a broker of the partitions that it leads; called over and over, with heartbeats between. What it rejects with, kafkajs
   * deals with as with its own: metadata is fetched anew, the group rejoined, and in the end the member crashes.
   */
  fetch(broker: () => Promise<Broker>, assigned: readonly TopicPartitions[]): Promise<void>
}

export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

interface OffsetManager {
  commitOffsets(offsets: {
    topics: { topic: string; partitions: { partition: number; offset: string }[] }[]
  }): Promise<void>
  resolveOffsets(): Promise<void>
  nextOffset(topic: string, partition: number): { toString(): string }
}

interface ConsumerGroup {
  readonly cluster: Cluster
  readonly assigners: readonly object[]
  readonly offsetManager: OffsetManager
  assigned(): { topic: string; partitions: number[] }[]
  heartbeat(options: { interval: number }): Promise<void>
  joinAndSync(): Promise<void>
  fetch(nodeId: string): Promise<unknown[]>
  checkForStaleAssignment(): void
  filterPartitionsByNode(nodeId: string, assigned: readonly TopicPartitions[]): TopicPartitions[]
  recoverFromFetch(error: unknown): Promise<void>
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
  const { joinAndSync, fetch } = group
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
    hooks?.joined(membership(this), groupLog(this))
  }

  group.fetch = async function (nodeId) {
    const hooks = find(this)
    if (!hooks) return fetch.call(this, nodeId)
    try {
      await this.cluster.refreshMetadataIfNecessary()
      this.checkForStaleAssignment()
      const led = this.filterPartitionsByNode(nodeId, this.assigned())
      await hooks.fetch(() => this.cluster.findBroker({ nodeId }), led)
    } catch (error) {
      await this.recoverFromFetch(error)
    }
    // Nothing for kafkajs to hand on: it sends a heartbeat, when one is due, and calls again.
    return []
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

const groupLog = (group: ConsumerGroup): GroupLog => {
  const { offsetManager, cluster } = group
  return {
    positions: async (topic) => {
      await offsetManager.resolveOffsets()
      const partitions = group.assigned().find((one) => one.topic === topic)?.partitions ?? []
      return new Map(partitions.map((partition) => [partition, Number(offsetManager.nextOffset(topic, partition))]))
    },
    edge: (topic, partition, edge) => logEdge(cluster, topic, partition, edge),
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
