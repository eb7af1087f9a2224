/** One run of a measured application: a process that scores a topic from the beginning (the contract is in run-millrace.sh). */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import { createTopics, withAdmin } from '../../pipeline/kafka/admin.js'
import { createPublisher } from '../../pipeline/kafka/publisher.js'
import { type AppendTimes, appendTimes } from './append-times.js'

export interface ApplicationOptions {
  readonly command: string
  readonly kafka: Kafka
  readonly brokers: string
  readonly registry: string
  readonly input: string
  readonly partitions: number
  /** records of the input, all of which have to come out */
  readonly records: number
  readonly model: string
  readonly classes: number
  /** processes of the group; 1 by default */
  readonly processes?: number
  readonly environment?: Readonly<Record<string, string>>
}

export interface Measured {
  /** records per second from the first to the last output, by the broker's clock */
  readonly all: number
  /** the same between the first and the last tenth; of several processes, once all of them have their share of the partitions */
  readonly steady: number
  /** over all processes, start and stop included */
  readonly cpuSecondsPerMillion: number
  /** the most that one process had resident */
  readonly residentMb: number
  /** milliseconds from the start of the first process to the first output */
  readonly firstOutputMs: number
}

const patienceMs = 600_000

/** Runs it on a fresh output topic and group until everything is out. Throws when it does not come to that. */
export const runApplication = async (options: ApplicationOptions): Promise<Measured> => {
  const { kafka, partitions, records } = options
  const name = `${options.input}-${Date.now()}`
  const output = `${name}.out`
  const config = { 'message.timestamp.type': 'LogAppendTime' }
  await createTopics(kafka, [{ topic: output, partitions, replicationFactor: -1, config }])
  await beginPartitions(kafka, output, partitions)
  const startedAt = Date.now()
  const children = Array.from({ length: options.processes ?? 1 }, () => start(options, output, name))
  try {
    const together = children.length > 1 ? untilShared(kafka, name, children) : 0
    await untilWritten(kafka, output, records + begun * partitions, children)
    const sharedAt = await together
    const use = children.map(({ pid }) => usage(pid!))
    await Promise.all(children.map(end))
    const times = await appendTimes(kafka, output, begun)
    const first = times.at(0)
    return {
      ...ratesOf(times, sharedAt),
      cpuSecondsPerMillion: (use.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) * 1e6) / records,
      residentMb: Math.max(...use.map(({ peakMb }) => peakMb)),
      firstOutputMs: first - startedAt,
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await withAdmin(kafka, async (admin) => {
      const own = (await admin.listTopics()).filter((topic) => topic === output || topic.startsWith(`${name}.`))
      await admin.deleteTopics({ topics: own })
    })
  }
}

/**
 * Steady is from the first tenth, or from when the group was complete, to the last. A few records can all be appended within one millisecond:
 * what one process does has then but one rate; what several do together cannot be told, and throws.
 */
export const ratesOf = (times: AppendTimes, sharedAt: number): Pick<Measured, 'all' | 'steady'> => {
  const all = Math.round((times.count * 1_000) / Math.max(1, times.at(1) - times.at(0)))
  const [from, to] = [Math.max(times.at(0.1), sharedAt), times.at(0.9)]
  if (from < to) return { all, steady: times.rate(from, to) }
  if (sharedAt > 0)
    throw new Error(`${times.count} records are too few: nearly all were out before the group was complete`)
  return { all, steady: all }
}

/** What is in each partition before the application begins. */
const begun = 2

/**
 * A broker touches files of a partition for the first time with its first record, and with the first after 4 KB: that can take it as long as
 * the next hundred thousand records, and has nothing to do with who sends them.
 */
const beginPartitions = async (kafka: Kafka, topic: string, partitions: number): Promise<void> => {
  const publisher = createPublisher({ kafka, topics: { predictions: topic } })
  const record = { key: null, value: Buffer.alloc(8_192), headers: undefined, timestamp: Date.now() }
  const outgoing = Array.from({ length: partitions }, (_, partition) => ({
    kind: 'predictions' as const,
    partition,
    records: [record],
  }))
  for (let i = 0; i < begun; i++) await publisher.publish(outgoing)
  await publisher.close()
}

const start = (options: ApplicationOptions, output: string, group: string): ChildProcess => {
  const { command, brokers, registry, input, partitions, model, classes, environment } = options
  const contract = { BROKERS: brokers, REGISTRY: registry, IN: input, OUT: output, GROUP: group, MODEL: model }
  return spawn(command, [], {
    env: { ...process.env, ...contract, CLASSES: String(classes), PARTITIONS: String(partitions), ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** When all of them were first seen in the group, and the group at rest; never where they end before. */
const untilShared = (kafka: Kafka, groupId: string, children: readonly ChildProcess[]): Promise<number> =>
  withAdmin(kafka, async (admin) => {
    for (; children.every(isAlive); await sleep(100)) {
      // A group that nobody has joined yet may have no coordinator.
      const { groups } = await admin.describeGroups([groupId]).catch(() => ({ groups: [] }))
      const [group] = groups
      if (group?.state === 'Stable' && group.members.length === children.length) return Date.now()
    }
    return Number.POSITIVE_INFINITY
  })

/** Resolves when the topic has so many records; throws when one of the processes ends before, or after ten minutes. */
export const untilWritten = (kafka: Kafka, topic: string, records: number, children: readonly ChildProcess[]) =>
  withAdmin(kafka, async (admin) => {
    for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(100)) {
      // A busy broker needs a moment until it leads a topic that it has just made.
      const offsets = await admin.fetchTopicOffsets(topic).catch(() => [])
      if (offsets.reduce((sum, { high }) => sum + Number(high), 0) >= records) return
      const dead = children.find((child) => !isAlive(child))
      if (dead) throw new Error(`the application ended (${dead.exitCode ?? dead.signalCode}) before all was out`)
    }
    throw new Error(`not all of ${topic} was written within ${patienceMs / 1_000} s`)
  })

/** What the kernel has counted of a running process. */
export const usage = (pid: number): { readonly cpuSeconds: number; readonly peakMb: number } => {
  const [user = 0, system = 0] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .split(') ')[1]!
    .split(' ')
    .slice(11, 13)
    .map(Number)
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return { cpuSeconds: (user + system) / 100, peakMb: Math.round(Number(peak?.[1]) / 1_024) }
}

export const isAlive = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null

export const end = async (child: ChildProcess): Promise<void> => {
  if (!isAlive(child)) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await Promise.race([exited, sleep(10_000)])
}
