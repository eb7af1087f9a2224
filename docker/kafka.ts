import { randomBytes } from 'node:crypto'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { MillraceError } from '../stages/errors.js'
import { exitCode, type GuardedProcess, spawnGuarded } from './guardian.js'
import { lastMeaningfulLine, logMatches, noSpace } from './log-tail.js'
import { loopback } from './ports.js'

export interface KafkaOptions {
  readonly java: string
  /** folder with the jars */
  readonly application: string
  readonly dataDirectory: string
  readonly port: number
  readonly controllerPort: number
  readonly logFile: string
  readonly environment?: NodeJS.ProcessEnv
  /** settings of the broker that take the place of those below */
  readonly properties?: Readonly<Record<string, string>>
  /** users with SCRAM passwords, given to the storage when it is formatted */
  readonly scramUsers?: Readonly<Record<string, string>>
}

/** Relative to the data folder, which is the working directory: no path has to be escaped in a properties file. */
const storage = 'kafka'

const logging = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
`

function propertiesOf({ port, controllerPort, properties = {} }: KafkaOptions): string {
  // Of a setting that is there twice, the last counts.
  const given = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@${loopback}:${controllerPort}
listeners=PLAINTEXT://${loopback}:${port},CONTROLLER://${loopback}:${controllerPort}
advertised.listeners=PLAINTEXT://${loopback}:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=${storage}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# nobody to wait for: members of a new group are few and local
group.initial.rebalance.delay.ms=0
# how soon a member that is silent may be given up is the member's to say
group.min.session.timeout.ms=1000
# a week, as anywhere, and no partition fills the disk
log.retention.hours=168
log.retention.bytes=4294967296
log.segment.bytes=134217728
# the default asks for 128 MB of the heap
log.cleaner.dedupe.buffer.size=16777216
${given.join('')}`
}

/** Formats the storage where that has not been done, then starts the broker. Errors: `stack-failed`, `disk-full`. */
export async function startKafka(options: KafkaOptions, signal: AbortSignal): Promise<GuardedProcess> {
  const { dataDirectory } = options
  await mkdir(join(dataDirectory, storage), { recursive: true })
  await writeFile(join(dataDirectory, 'server.properties'), propertiesOf(options))
  await writeFile(join(dataDirectory, 'log4j2.properties'), logging)
  // Written last by the formatter: without it a format that was cut short is done again.
  const formatted = await stat(join(dataDirectory, storage, 'meta.properties')).catch(() => undefined)
  if (!formatted) await format(options, signal)
  signal.throwIfAborted()
  return run(
    options,
    ['-Xms256m', '-Xmx1g', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'],
    ['kafka.Kafka', 'server.properties'],
  )
}

async function format(options: KafkaOptions, signal: AbortSignal): Promise<void> {
  await rm(join(options.dataDirectory, storage), { recursive: true, force: true })
  const flags = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
  const formatter = await run(options, flags, [
    'kafka.tools.StorageTool',
    'format',
    '--cluster-id',
    newClusterId(),
    '--config',
    'server.properties',
    ...Object.entries(options.scramUsers ?? {}).flatMap(([name, password]) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${name},password=${password}]`,
      ]),
    ),
  ])
  const code = await exitCode(formatter, signal)
  if (code === 0) return
  const full = await logMatches(options.logFile, noSpace)
  const line = await lastMeaningfulLine(options.logFile)
  throw new MillraceError(full ? 'disk-full' : 'stack-failed', `Kafka's storage: ${line} (${options.logFile})`)
}

function run(options: KafkaOptions, flags: readonly string[], program: readonly string[]): Promise<GuardedProcess> {
  return spawnGuarded({
    command: options.java,
    arguments: [
      ...flags,
      '-Dlog4j2.configurationFile=log4j2.properties',
      '-cp',
      `${options.application}/*`,
      ...program,
    ],
    directory: options.dataDirectory,
    logFile: options.logFile,
    graceSeconds: 10,
    environment: options.environment,
  })
}

/** 16 random bytes as Kafka writes them; one that begins with a dash would be read as an option. */
function newClusterId(): string {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? newClusterId() : id
}

/** True when the broker answers the protocol and counts itself as a member of the cluster. */
export async function kafkaAnswers(brokers: string): Promise<boolean> {
  const admin = new Kafka({
    clientId: 'millrace-stack',
    brokers: brokers.split(','),
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  }).admin()
  try {
    await admin.connect()
    const { brokers: members, controller } = await admin.describeCluster()
    return members.length > 0 && controller !== null
  } catch {
    return false
  } finally {
    await admin.disconnect().catch(() => {})
  }
}
