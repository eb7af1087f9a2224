import kafkajs, { type Admin, type Kafka } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import { pause } from '../backoff.js'
import { describeKafkaError, kafkaErrorType } from './errors.js'
import type { TopicPlan } from './topic-plan.js'

export interface TopicDescription {
  readonly topic: string
  readonly partitions: number
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
}

export interface TopicResult {
  readonly topic: string
  readonly result: 'created' | 'exists' | 'differs'
  /** for `differs`: what is otherwise than planned, in one line */
  readonly detail?: string
}

/** Runs with a connected admin client; errors come out as `MillraceError`. */
export const withAdmin = async <T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> => {
  const admin = kafka.admin()
  try {
    await admin.connect()
    return await work(admin)
  } catch (error) {
    throw describeKafkaError(error)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** The topics that exist, by name; those that do not are left out. */
export const describeTopics = (kafka: Kafka, topics: readonly string[]): Promise<Map<string, TopicDescription>> =>
  withAdmin(kafka, (admin) => describe(admin, topics))

const describe = async (admin: Admin, topics: readonly string[]): Promise<Map<string, TopicDescription>> => {
  const all = new Set(await admin.listTopics())
  const existing = topics.filter((topic) => all.has(topic))
  if (existing.length === 0) return new Map()
  const metadata = await admin.fetchTopicMetadata({ topics: existing })
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: existing.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
  })
  const configs = new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  )
  return new Map(
    metadata.topics.map(({ name, partitions }) => [
      name,
      {
        topic: name,
        partitions: partitions.length,
        replicas: partitions[0]?.replicas.length ?? 0,
        config: configs.get(name) ?? {},
      },
    ]),
  )
}

/**
 * How many partitions each topic has; one that does not exist is left out. Asks for nothing that reading or writing the topic does not bring
 * with it, and says which of them may not be looked at (`not-authorized`) rather than that it is missing.
 */
export const partitionCounts = (kafka: Kafka, topics: readonly string[]): Promise<Map<string, number>> =>
  withAdmin(kafka, async (admin) => {
    const counts = new Map<string, number>()
    for (const topic of topics) {
      try {
        const [found] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics
        if (found) counts.set(topic, found.partitions.length)
      } catch (error) {
        const described = describeKafkaError(error, topic)
        if (described.code !== 'topic-missing') throw described
      }
    }
    return counts
  })

/**
 * Creates what is missing and changes nothing that exists: a topic that is set up otherwise than planned is reported as `differs`.
 * Safe to run again, and by several at once.
 */
export const createTopics = (kafka: Kafka, plan: readonly TopicPlan[]): Promise<TopicResult[]> =>
  withAdmin(kafka, async (admin) => {
    const names = plan.map(({ topic }) => topic)
    const before = await describe(admin, names)
    const missing = plan.filter(({ topic }) => !before.has(topic))
    const created = new Set<string>()
    for (const one of missing) if (await create(admin, one)) created.add(one.topic)
    if (missing.length > 0) await shown(admin, names)
    const present = created.size === plan.length ? before : await describe(admin, names)
    return plan.map((one) => {
      if (created.has(one.topic)) return { topic: one.topic, result: 'created' }
      const detail = difference(one, present.get(one.topic))
      return detail === '' ? { topic: one.topic, result: 'exists' } : { topic: one.topic, result: 'differs', detail }
    })
  })

const shownWithinMs = 10_000

/** A busy broker shows a topic a moment after it has made it: whoever used it at once would be told that there is none. */
const shown = async (admin: Admin, topics: readonly string[]): Promise<void> => {
  for (const deadline = performance.now() + shownWithinMs; performance.now() < deadline; await pause(50)) {
    const all = new Set(await admin.listTopics())
    if (topics.every((topic) => all.has(topic))) return
  }
}

const create = async (admin: Admin, { topic, partitions, replicationFactor, config }: TopicPlan): Promise<boolean> => {
  try {
    return await admin.createTopics({
      waitForLeaders: true,
      topics: [
        {
          topic,
          numPartitions: partitions,
          replicationFactor,
          configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
        },
      ],
    })
  } catch (error) {
    const type = kafkaErrorType(error)
    if (type === 'TOPIC_ALREADY_EXISTS') return false
    // Created, but not shown yet to those who wait for its leaders.
    if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return true
    if (type === 'INVALID_REPLICATION_FACTOR' || type === 'INVALID_CONFIG' || type === 'INVALID_PARTITIONS')
      throw new MillraceError('config-invalid', `${topic}: ${describeKafkaError(error).detail}`, { cause: error })
    throw describeKafkaError(error, topic)
  }
}

const difference = (plan: TopicPlan, present: TopicDescription | undefined): string => {
  if (!present) return 'the broker does not show it'
  const lines = Object.entries(plan.config)
    .filter(([name, value]) => present.config[name] !== undefined && present.config[name] !== value)
    .map(([name, value]) => `${name} is ${present.config[name]} instead of ${value}`)
  if (present.partitions !== plan.partitions)
    lines.unshift(`${present.partitions} partitions instead of ${plan.partitions}`)
  return lines.join(', ')
}
