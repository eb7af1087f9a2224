/**
 * The configuration, parsed once at the edge into one frozen object. Names carry their units; rules across settings are checked here.
 * Precedence: command-line flags, then the environment, then the file, then the defaults below.
 */
import { z } from 'zod'
import { MillraceError } from '../stages/errors.js'
import { deadLetter } from './config-dead-letter.js'
import { deadline, deadlineRules } from './config-deadline.js'
import { http, httpRules } from './config-http.js'
import { bundles, control, guardrails, verification } from './config-models.js'
import { traces } from './config-traces.js'

const name = z.string().regex(/^[A-Za-z0-9._-]{1,120}$/, 'letters, digits, dot, dash and underscore only')
const reference = z.string().regex(/^[A-Za-z0-9._-]+@[A-Za-z0-9._-]+$/, 'must be name@version')
const count = z.number().int().positive()
const milliseconds = z.number().int().nonnegative()

const topics = z
  .strictObject({
    input: name.describe('what is scored'),
    predictions: name.describe('what the models said'),
    control: name.describe('commands: which model scores'),
    events: name.describe('what became of them, and of the workers'),
    fences: name.describe('from which offset on which model scored'),
    models: name.describe('bundles on their way to the workers'),
    deadLetter: name.describe('records that could not be scored, untouched'),
    late: name.describe('records whose deadline had passed'),
    shadow: name.describe('what a shadowed model would have said'),
  })
  .partial()
  .prefault({})

const kafka = z
  .strictObject({
    clientId: name.default('millrace').describe('how this worker names itself to the broker'),
    groupId: name.optional().describe('consumer group; the name of the deployment by default'),
    ssl: z
      .union([
        z.boolean(),
        z.strictObject({
          caFile: z.string().optional().describe('PEM file of the CA that signed the broker’s certificate'),
          certFile: z.string().optional().describe('PEM file of a client certificate'),
          keyFile: z.string().optional().describe('PEM file of its key'),
          rejectUnauthorized: z.boolean().default(true).describe('false: believe any certificate; for trials only'),
        }),
      ])
      .default(false)
      .describe('TLS: true, or the files of a private CA and a client certificate'),
    sasl: z
      .strictObject({
        mechanism: z
          .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
          .describe('plain (over TLS only), scram-sha-256 or scram-sha-512'),
        username: z.string().describe('who this worker is to the broker'),
        password: z.string().describe('better given by the environment than by the file'),
      })
      .optional()
      .describe('user and password'),
    sessionTimeoutMs: count.default(30_000).describe('silence after which the group gives this worker up'),
    maxFetchBytesPerPartition: count.default(1 << 20).describe('upper limit of one fetch of one partition'),
    maxFetchWaitMs: milliseconds.default(250).describe('how long an idle fetch waits at the broker'),
  })
  .prefault({})

const batch = z
  .strictObject({
    maxRecords: count
      .max(1 << 16)
      .default(2_048)
      .describe('a micro-batch closes when it has this many records'),
    maxBytes: count.default(4 << 20).describe('… or this many bytes of input'),
    maxDelayMs: milliseconds.max(60_000).default(1).describe('… or when its oldest record has waited this long'),
  })
  .prefault({})

const schema = z
  .strictObject({
    deployment: name.describe('name of the deployment: prefix of its topics, name of its consumer group'),
    brokers: z.array(z.string().min(1)).min(1).describe('Kafka bootstrap addresses, host:port'),
    registry: z.url().describe('URL of the schema registry (Confluent API)'),
    registryAuth: z
      .strictObject({
        username: z.string().describe('who this worker is to the registry'),
        password: z.string().describe('better given by the environment than by the file'),
      })
      .optional(),
    registryCaFile: z.string().optional().describe('PEM file of the CA that signed the registry’s certificate'),
    model: reference.optional().describe('what scores until the first SWITCH; without it the worker waits for one'),
    topics,
    bundles,
    verification,
    control,
    guardrails,
    kafka,
    batch,
    deadline,
    deadLetter,
    credits: z
      .strictObject({
        records: count.default(16_384).describe('records in the pipe at once'),
        bytes: count.default(32 << 20).describe('bytes of input in the pipe at once'),
      })
      .prefault({}),
    inference: z
      .strictObject({
        concurrency: count.max(64).default(2).describe('batches handed to the inference thread at once'),
        intraOpThreads: count.max(64).default(1).describe('threads inside one run of the model'),
        loadTimeoutMs: count.default(60_000).describe('a model that takes longer to load is refused'),
      })
      .prefault({}),
    echo: z.array(z.string()).default([]).describe('input fields to carry along into Prediction.echo'),
    delivery: z
      .enum(['at-least-once', 'exactly-once'])
      .default('at-least-once')
      .describe(
        'at-least-once: after a crash nothing is missing, and duplicates say so themselves; exactly-once: in transactions',
      ),
    commitIntervalMs: count.default(200).describe('offsets are committed this often, at least once'),
    transactionIntervalMs: count.default(100).describe('a transaction is committed this often, exactly once'),
    maxOutputBytes: count
      .default((1 << 20) - 4096)
      .describe('a larger prediction goes to the dead letters; below max.message.bytes of the topic'),
    drainTimeoutMs: count.default(10_000).describe('how long a revoked or stopping pipe may finish what is in flight'),
    http,
    traces,
    logLevel: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .describe('fatal, error, warn, info, debug, trace or silent'),
  })
  .superRefine((c, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    if (c.credits.records < c.batch.maxRecords)
      refuse(['credits', 'records'], `${c.credits.records} is less than batch.maxRecords ${c.batch.maxRecords}`)
    if (c.credits.bytes < c.batch.maxBytes)
      refuse(['credits', 'bytes'], `${c.credits.bytes} is less than batch.maxBytes ${c.batch.maxBytes}`)
    if (c.drainTimeoutMs >= c.kafka.sessionTimeoutMs)
      refuse(
        ['drainTimeoutMs'],
        `${c.drainTimeoutMs} is not below kafka.sessionTimeoutMs ${c.kafka.sessionTimeoutMs}: the group would give the worker up`,
      )
    if (c.guardrails && !c.guardrails.keyFile && !c.control.keyFile && c.control.trustedKeys.length > 0)
      refuse(
        ['guardrails', 'keyFile'],
        'or control.keyFile is needed: with control.trustedKeys a rollback has to be signed',
      )
    for (const [path, message] of deadlineRules(c)) refuse(['deadline', path], message)
    for (const [path, message] of httpRules(c.http, c.echo)) refuse(['http', path], message)
  })

/**
 * The topics of a deployment, by what they are for.
 *
 * @interface
 */
export type TopicNames = Required<z.output<typeof topics>>
type Parsed = z.output<typeof schema>

/**
 * The way to Kafka, and how a worker reads.
 *
 * @interface
 */
export type KafkaSettings = Readonly<z.output<typeof kafka> & { groupId: string }>
/**
 * Every setting, parsed and checked, with its default; frozen.
 *
 * @interface
 */
export type Config = Readonly<Omit<Parsed, 'topics' | 'kafka'>> & {
  readonly topics: Readonly<TopicNames>
  readonly kafka: KafkaSettings
}

/**
 * What a user may write; JSON Schema for editors comes from the same source.
 *
 * @interface
 */
export type ConfigInput = z.input<typeof schema>
export const configJsonSchema = () => z.toJSONSchema(schema, { io: 'input' })

/** The topics of deployment `D`, where the configuration does not name others. */
export const topicNames = (deployment: string, given: Partial<TopicNames> = {}): TopicNames => ({
  input: `${deployment}.input`,
  predictions: `${deployment}.predictions`,
  control: `${deployment}.control`,
  events: `${deployment}.events`,
  fences: `${deployment}.fences`,
  models: `${deployment}.models`,
  deadLetter: `${deployment}.dead-letter`,
  late: `${deployment}.late`,
  shadow: `${deployment}.shadow`,
  ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
})

/** Parses and checks; throws `MillraceError('config-invalid')` that names every wrong setting in one line. */
export const parseConfig = (input: unknown): Config => {
  const result = schema.safeParse(input)
  if (!result.success) {
    const lines = result.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`)
    throw new MillraceError('config-invalid', lines.join('; '))
  }
  const parsed = result.data
  return deepFreeze({
    ...parsed,
    topics: topicNames(parsed.deployment, parsed.topics),
    kafka: { ...parsed.kafka, groupId: parsed.kafka.groupId ?? parsed.deployment },
  })
}

const deepFreeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
