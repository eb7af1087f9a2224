/** One membership in the consumer group, from connecting to leaving: what a source restarts when the broker was away. */
import type { Consumer, Kafka } from 'kafkajs'
import type { TopicPartition } from '../../stages/ports.js'
import type { OpenAssignment } from '../assignment.js'
import { pause, settles, unless } from '../backoff.js'
import { batchFetcher } from './broker-requests.js'
import { createFeed, type Feed } from './feed.js'
import { createFetcher, type Fetcher } from './fetcher.js'
import { type GroupLog, hookedAssigner, type Membership } from './join-hook.js'

export interface MemberOptions {
  readonly kafka: Kafka
  readonly groupId: string
  readonly topic: string
  readonly fromBeginning: boolean
  readonly sessionTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly fetch: { readonly maxBytesPerPartition: number; readonly maxWaitMs: number }
  /** records handed on at once, so that one fetch of small records does not take all credits */
  readonly maxRecordsPerRun: number
  /** Opens an assignment; called after each join that brought partitions. */
  readonly assign: (partitions: readonly TopicPartition[], membership: Membership) => OpenAssignment
  readonly onJoining: () => void
  readonly onIdle: () => void
  readonly onLost: (partition: TopicPartition, from: number, to: number) => void
}

/** One try of a request is enough where the source's own loop waits; here short outages are sat out without leaving the group. */
const memberRetry = {
  initialRetryTime: 100,
  maxRetryTime: 2_000,
  factor: 0.2,
  multiplier: 2,
  retries: 8,
  restartOnFailure: async () => false,
}

const disconnectTimeoutMs = 3_000

/** of one fetch from one broker, over all partitions */
const maxFetchBytes = 8 << 20

/** Joins and reads until `signal` aborts, then drains and leaves. Rejects, with nothing left running, when kafkajs gives up. */
export const runMember = async (options: MemberOptions, signal: AbortSignal): Promise<void> => {
  const { topic, drainTimeoutMs } = options
  const heartbeatIntervalMs = Math.max(50, Math.min(1_000, Math.floor(options.sessionTimeoutMs / 6)))
  let assignment: OpenAssignment | undefined
  let membership: Membership | undefined
  let feed: Feed | undefined
  let fetcher: Fetcher | undefined
  const fetchBatches = batchFetcher()
  const limits = { ...options.fetch, maxBytes: Math.max(maxFetchBytes, options.fetch.maxBytesPerPartition) }

  const endAssignment = async () => {
    const ending = assignment
    const held = membership
    if (!ending) return
    // The broker forgets a member that is silent for the session timeout, and with it the right to commit what drains.
    const beat = setInterval(() => void held?.heartbeat().catch(() => undefined), options.sessionTimeoutMs / 4)
    try {
      await ending.close(drainTimeoutMs)
    } finally {
      clearInterval(beat)
    }
    if (assignment === ending) assignment = undefined
  }

  const joined = (given: Membership, log?: GroupLog) => {
    membership = given
    feed = undefined
    fetcher = undefined
    const partitions = given.assigned.flatMap((one) =>
      one.partitions.map((partition) => ({ topic: one.topic, partition })),
    )
    if (signal.aborted) return
    if (partitions.length === 0) return options.onIdle()
    assignment = options.assign(partitions, given)
    if (!log) feed = createFeed({ ...options, assignment, heartbeatIntervalMs })
    else
      fetcher = createFetcher({
        ...options,
        assignment,
        limits,
        idleMs: heartbeatIntervalMs,
        positions: () => log.positions(topic),
        afterLoss: (partition) => log.edge(topic, partition, options.fromBeginning ? 'first' : 'end'),
      })
  }

  const { assigner, hooked } = hookedAssigner({
    beforeJoin: async () => {
      options.onJoining()
      await endAssignment()
    },
    joined,
    fetch: async (broker, led) => {
      const partitions = led.find((one) => one.topic === topic)?.partitions ?? []
      if (!fetcher || partitions.length === 0) return pause(limits.maxWaitMs)
      await fetcher.round(partitions, async (wanted, given) => fetchBatches!(await broker(), topic, wanted, given))
    },
  })

  const consumer = options.kafka.consumer({
    groupId: options.groupId,
    partitionAssigners: [assigner],
    allowAutoTopicCreation: false,
    sessionTimeout: options.sessionTimeoutMs,
    rebalanceTimeout: Math.max(60_000, drainTimeoutMs * 2),
    heartbeatInterval: heartbeatIntervalMs,
    maxBytesPerPartition: options.fetch.maxBytesPerPartition,
    maxBytes: limits.maxBytes,
    maxWaitTimeInMs: options.fetch.maxWaitMs,
    metadataMaxAge: 60_000,
    retry: memberRetry,
  })
  if (!hooked) followEvents(consumer, topic, joined, () => void assignment?.close(0))

  const crashed = new Promise<never>((_, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
  })
  crashed.catch(() => undefined)
  const start = async () => {
    await consumer.connect()
    if (signal.aborted) return
    await consumer.subscribe({ topics: [topic], fromBeginning: options.fromBeginning })
    if (signal.aborted) return
    if (!hooked) options.onJoining()
    // Many at once: each partition waits for credits by itself, and a batch that stands in kafkajs's queue would be of an unknown epoch.
    await consumer.run({
      eachBatch: async (payload) => feed?.push(payload),
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 256,
    })
  }
  const started = start()
  try {
    await unless(Promise.race([started, crashed]), signal)
    await unless(crashed, signal)
    // Asked to stop. A join under way is waited for: a member that vanishes in the middle of one holds the group up.
    await settles(Promise.race([started, crashed]), drainTimeoutMs)
    pauseFetching(consumer, topic)
    await endAssignment()
  } finally {
    // After a crash nothing can be committed any more: there is no point in draining.
    await assignment?.close(0)
    const disconnect = () => consumer.disconnect()
    await settles(disconnect(), disconnectTimeoutMs)
    // What was not waited for may connect anew, and would keep the process alive.
    started.then(disconnect, disconnect).catch(() => undefined)
  }
}

/** While it drains, the fetch loop goes on with nothing to fetch: what it still does is to heartbeat. */
const pauseFetching = (consumer: Consumer, topic: string) => {
  try {
    consumer.pause([{ topic }])
  } catch {
    // it has not come to run yet
  }
}

/** The public events, for a kafkajs whose inside is not known: no drain before the rejoin, so more is read twice. */
const followEvents = (
  consumer: Consumer,
  topic: string,
  joined: (membership: Membership) => void,
  revoked: () => void,
) => {
  consumer.on(consumer.events.REBALANCING, revoked)
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    revoked()
    joined({
      assigned: [{ topic, partitions: payload.memberAssignment[topic] ?? [] }],
      heartbeat: async () => undefined,
      commit: (offsets) => consumer.commitOffsets([...offsets]),
    })
  })
}
