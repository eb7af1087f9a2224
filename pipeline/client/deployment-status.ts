/** What can be known of a deployment from its topics and its group alone, without asking any worker. */
import type { Kafka } from 'kafkajs'
import { type ErrorCode, lineOf, MillraceError } from '../../stages/errors.js'
import type { SourceRecord } from '../../stages/ports.js'
import { createMessageCodec } from '../avro/message-codec.js'
import { createCommandDecoder } from '../command-decoder.js'
import type { Config } from '../config.js'
import { groupStatus } from '../kafka/group-status.js'
import { type ReadTopicOptions, readTopic } from '../kafka/topic-reader.js'
import type { Fence, ModelEvent } from '../messages.js'
import { createControlFold } from '../swap/control-fold.js'
import { trustedKeysOf } from '../trusted-keys.js'
import { waitSaidEveryMs } from '../waiting-events.js'
import type { Connection } from './connection.js'
import { openRegistry } from './registry.js'

export interface ModelInUse {
  readonly generation: number
  readonly model: string
  readonly digest: string | null
  readonly mode: Fence['mode']
  readonly candidate: string | null
  readonly percent: number | null
}

export interface WorkerInGroup {
  /** how it names itself to the broker */
  readonly worker: string
  /** null: it is not in the group yet, and says what it waits for */
  readonly host: string | null
  readonly partitions: readonly number[]
  /** what it made active last */
  readonly model: string | null
  /** what it waits for, and what mends that; null: for nothing that it could say */
  readonly waiting: string | null
  /** what it said last, of what matters: not every fence */
  readonly last: ModelEvent | null
}

export interface PartitionInGroup {
  readonly partition: number
  readonly committed: number | null
  readonly end: number
  readonly lag: number
  /** of its newest fence; null where nothing was scored yet */
  readonly generation: number | null
  readonly model: string | null
}

export interface DeploymentStatus {
  readonly deployment: string
  /** why the schema registry cannot be asked: then `model`, and most of what workers said, is not known. null: it can */
  readonly registry: string | null
  /** `state` as the broker calls it: Stable, PreparingRebalance, Empty, Dead, … */
  readonly group: { readonly groupId: string; readonly state: string }
  /** what the control log asks for, else what was scored last; null: nothing yet */
  readonly model: ModelInUse | null
  /** a switch that waits for COMMIT or ABORT */
  readonly preparing: string | null
  readonly workers: readonly WorkerInGroup[]
  readonly partitions: readonly PartitionInGroup[]
  /** records between what is committed and the end, over all partitions */
  readonly lag: number
  /** milliseconds since the epoch */
  readonly at: number
}

const eventsLookedAt = 1_000
const registryTroubles: ReadonlySet<ErrorCode> = new Set([
  'registry-unreachable',
  'registry-refused',
  'credentials-refused',
])
/** A worker that is in no group and has not said so for so long does not wait any more. */
const waitKnownForMs = 3 * waitSaidEveryMs
/** The last of these says whether a worker waits: only then it has a reason. */
const waits: ReadonlySet<string> = new Set(['waiting', 'resumed', 'left'])
const small: ReadonlySet<string> = new Set(['fenced', 'draining', 'released', 'loading', 'verifying'])

/** Throws `topic-missing` for the input; other topics may be missing. A registry that does not answer is given up after a few seconds. */
export const deploymentStatus = async (connection: Connection, config: Config): Promise<DeploymentStatus> => {
  const { topics } = config
  const kafka = await connection.kafka(config)
  const keys = await trustedKeysOf(config.control)
  const { registry, explain, close } = await openRegistry(connection, config)
  const codec = createMessageCodec(registry)
  const decodeCommand = createCommandDecoder(codec, config.deployment, keys)
  /** why what is written in Avro stays unread */
  let unread = null as string | null
  const read = <T>(topic: string, from: ReadTopicOptions['from'], decode: (record: SourceRecord) => Promise<T>) =>
    readAll(kafka, topic, from, connection.signal, async (record) => {
      try {
        return [await decode(record)]
      } catch (error) {
        if (connection.signal.aborted) throw error
        if (error instanceof MillraceError && registryTroubles.has(error.code)) unread = lineOf(explain(error))
        // What nobody can read is passed over, as workers do.
        return []
      }
    })
  const [group, fences, commands, events] = await Promise.all([
    groupStatus(kafka, config.kafka.groupId, topics.input),
    read(topics.fences, 'beginning', async ({ value }) => value && (await codec.decodeFence(value))),
    read(topics.control, 'beginning', async (record) => ({ ...record, command: await decodeCommand(record) })),
    read(topics.events, { last: eventsLookedAt }, ({ value }) => codec.decodeEvent(value!)),
  ]).finally(close)
  const newest = newestFences(
    fences.filter((fence) => fence !== null && fence.generation > 0 && fence.topic === topics.input) as Fence[],
  )
  const fold = createControlFold(config.model)
  for (const entry of commands) fold.apply(entry)

  return {
    deployment: config.deployment,
    registry: unread,
    group: { groupId: group.groupId, state: group.state },
    // Of half a log nothing follows.
    model: unread === null ? modelInUse(fold.current, newest) : null,
    preparing: unread === null ? (fold.prepared?.model ?? null) : null,
    workers: [...group.members, ...waitingOutside(group.members, events)].map(({ clientId, host, partitions }) => ({
      worker: clientId,
      host,
      partitions,
      // Whoever is in the group has spoken to the registry: the rest of its words is in Avro.
      ...lastWords(unread !== null && host !== null ? [] : events.filter(({ worker }) => worker === clientId)),
    })),
    partitions: group.partitions.map(({ partition, committed, end, lag }) => ({
      partition,
      committed,
      end,
      lag,
      generation: newest.get(partition)?.generation ?? null,
      model: newest.get(partition)?.model ?? null,
    })),
    lag: group.partitions.reduce((sum, { lag }) => sum + lag, 0),
    at: Date.now(),
  }
}

const readAll = async <T>(
  kafka: Kafka,
  topic: string,
  from: ReadTopicOptions['from'],
  signal: AbortSignal,
  decode: (record: SourceRecord) => Promise<readonly T[]>,
): Promise<T[]> => {
  const found: T[] = []
  try {
    for await (const { records } of readTopic(kafka, topic, { from, follow: false, signal }))
      for (const record of records) found.push(...(await decode(record)))
  } catch (error) {
    if (!(error instanceof MillraceError && error.code === 'topic-missing')) throw error
  }
  return found
}

/** Workers that have not come as far as to join the group. */
const waitingOutside = (members: readonly { readonly clientId: string }[], events: readonly ModelEvent[]) => {
  const inside = new Set(members.map(({ clientId }) => clientId))
  const last = new Map(events.filter(({ type }) => waits.has(type)).map((event) => [event.worker, event]))
  const since = Date.now() - waitKnownForMs
  return [...last.values()]
    .filter(({ worker, type, at }) => !inside.has(worker) && type === 'waiting' && at > since)
    .map(({ worker: clientId }) => ({ clientId, host: null, partitions: [] }))
}

const newestFences = (fences: readonly Fence[]): Map<number, Fence> => {
  const newest = new Map<number, Fence>()
  for (const fence of fences)
    if (fence.generation >= (newest.get(fence.partition)?.generation ?? 0)) newest.set(fence.partition, fence)
  return newest
}

const modelInUse = (
  plan: (Omit<ModelInUse, 'generation'> & { readonly number: number }) | undefined,
  newest: ReadonlyMap<number, Fence>,
): ModelInUse | null => {
  const fence = [...newest.values()].sort((one, other) => other.generation - one.generation)[0]
  if (plan && (!fence || plan.number >= fence.generation)) {
    const { number: generation, model, mode, candidate, percent } = plan
    const digest = plan.digest ?? (fence?.generation === generation ? fence.digest : null)
    return { generation, model, digest, mode, candidate, percent }
  }
  if (!fence) return null
  const { generation, model, digest, mode, candidate, percent } = fence
  return { generation, model, digest, mode, candidate, percent }
}

const lastWords = (events: readonly ModelEvent[]): Pick<WorkerInGroup, 'model' | 'waiting' | 'last'> => ({
  model: events.findLast(({ type }) => type === 'activated')?.model ?? null,
  waiting: events.findLast(({ type }) => waits.has(type))?.reason ?? null,
  last: events.findLast(({ type }) => !small.has(type)) ?? null,
})
