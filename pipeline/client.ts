/** A deployment from outside its workers: features in, predictions out, and which model scores. The command line does the same. */
import type { ErrorCode } from '../stages/errors.js'
import { MillraceError } from '../stages/errors.js'
import type { Connection } from './client/connection.js'
import { newCommand, sendCommand } from './client/control.js'
import { type DeploymentStatus, deploymentStatus } from './client/deployment-status.js'
import { withGroup } from './client/group.js'
import { createProducing, type Produced, type ProduceOptions } from './client/producing.js'
import { type ReadOptions, readMessages } from './client/reading.js'
import { withRegistry } from './client/registry.js'
import { type CreatedTopic, createDeploymentTopics, type TopicOptions } from './client/topics.js'
import { type ConfigInput, parseConfig } from './config.js'
import { createKafka } from './kafka/client.js'
import { kafkaOptionsOf } from './kafka-options.js'
import type { ModelEvent, Prediction } from './messages.js'
import { type GroupRollbackResult, rollBackGroup } from './swap/group-rollback.js'
import { type GroupSwitchResult, type SwitchProgress, switchGroup } from './swap/group-switch.js'

/** Settings as in a worker's configuration; the topics, the way to Kafka and to the registry are what matters here. */
export interface ClientOptions extends ConfigInput {
  /** PEM of a private key to sign commands with, for workers that trust keys */
  readonly signingKey?: string
}

export interface SwitchOptions {
  /** exactly this bundle, not another of the same name */
  readonly digest?: string
  /** true: all workers or none; resolves when every worker scores with it */
  readonly wait?: boolean
  /** with `wait`: how long they may take to get it ready; 60,000 by default */
  readonly timeoutMs?: number
  /** with `wait`: called when a worker is further */
  readonly onProgress?: (progress: SwitchProgress) => void
}

export interface RollbackOptions {
  /** true: resolves when every worker scores with it */
  readonly wait?: boolean
  /** with `wait`: how long they may take; 30,000 by default */
  readonly timeoutMs?: number
  readonly onProgress?: (progress: SwitchProgress) => void
}

/** A command that is on its way to the workers. */
export interface CommandSent {
  /** id of the command, as events name it */
  readonly command: string
  /** on the control topic */
  readonly offset: number
}

/** Every promise rejects with a `MillraceError` that says what is wrong and what to do. Whoever creates a client closes it. */
export interface Client {
  /** Creates the topics of the deployment that do not exist yet; safe to call again. */
  createTopics(options?: TopicOptions): Promise<CreatedTopic[]>
  /**
   * Sends records to the input topic, as Avro in the Confluent wire format. Resolves when the broker has all of them. Rejects with
   * `record-invalid`, naming the field, for a record that does not fit; those before it are sent.
   */
  produce<T extends object>(records: Iterable<T> | AsyncIterable<T>, options?: ProduceOptions<T>): Promise<Produced>
  /** What the models say, in order within a partition, without joining a group. It begins where the topic ends when it is first asked. */
  predictions(options?: ReadOptions): AsyncGenerator<Prediction, void, undefined>
  /** What the workers say: what becomes of commands, who joins and leaves. */
  events(options?: ReadOptions): AsyncGenerator<ModelEvent, void, undefined>
  /**
   * Scores with another model (name@version) from now on. With `wait` all workers switch or none: it rejects, with the result as `cause`,
   * where not every worker does.
   */
  switchTo(model: string, options: SwitchOptions & { readonly wait: true }): Promise<GroupSwitchResult>
  switchTo(model: string, options?: SwitchOptions): Promise<CommandSent>
  /** Back to the model before, as the logs tell it. With `wait` it rejects, with the result as `cause`, where not every worker does. */
  rollback(options?: RollbackOptions): Promise<GroupRollbackResult>
  /** Which model, which workers, how far behind: from the topics and the group, without asking any worker. */
  status(): Promise<DeploymentStatus>
  /** Ends what is read and waited for, and disconnects. Idempotent. */
  close(): Promise<void>
}

/** Connects when it is first used. Throws `config-invalid`. */
export const createClient = ({ signingKey, ...settings }: ClientOptions): Client => {
  const config = parseConfig(settings)
  const closing = new AbortController()
  const kafka = kafkaOptionsOf(config).then(createKafka)
  kafka.catch(() => undefined)
  const connection: Connection = { signal: closing.signal, kafka: () => kafka }
  const producing = createProducing(() => kafka, config.topics.input)

  function switchTo(model: string, options: SwitchOptions & { readonly wait: true }): Promise<GroupSwitchResult>
  function switchTo(model: string, options?: SwitchOptions): Promise<CommandSent>
  async function switchTo(
    model: string,
    { digest, wait, timeoutMs = 60_000, onProgress }: SwitchOptions = {},
  ): Promise<GroupSwitchResult | CommandSent> {
    if (!wait) {
      const given = newCommand({ action: 'SWITCH', model, digest: digest ?? null })
      const { command, offset } = await sendCommand(connection, config, given, signingKey)
      return { command: command.id, offset }
    }
    const result = await withGroup(connection, config, { key: signingKey, events: 'new' }, ({ dialogue }) =>
      switchGroup({ ...dialogue, model, digest, timeoutMs, onProgress }),
    )
    return sure(result, result.code)
  }

  return {
    switchTo,
    createTopics: async (options) => createDeploymentTopics(await kafka, config, options),
    produce: (records, options) =>
      withRegistry(connection, config, (registry) => producing.send(records, registry, options)),
    predictions: (options = {}) =>
      readMessages(
        connection,
        config,
        config.topics.predictions,
        (codec, value) => codec.decodePrediction(value),
        options,
      ),
    events: (options = {}) =>
      readMessages(connection, config, config.topics.events, (codec, value) => codec.decodeEvent(value), options),
    async rollback({ wait = false, timeoutMs = 30_000, onProgress } = {}) {
      const result = await withGroup(
        connection,
        config,
        { key: signingKey, events: 'all' },
        async ({ dialogue, fences }) =>
          rollBackGroup({ ...dialogue, fences: await fences(), timeoutMs: wait ? timeoutMs : 0, onProgress }),
      )
      return sure(result, 'timed-out')
    },
    status: () => deploymentStatus(connection, config),
    async close() {
      closing.abort()
      await producing.close()
    },
  }
}

const sure = <T extends { readonly ok: boolean; readonly reason: string | null }>(
  result: T,
  code: ErrorCode | null,
): T => {
  if (result.ok) return result
  throw new MillraceError(code ?? 'switch-refused', result.reason ?? 'not every worker scores with it', {
    cause: result,
  })
}
