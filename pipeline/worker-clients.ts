/** How a worker reaches Kafka and the registry, and what it learns from them before it begins. */
import type { Kafka } from 'kafkajs'
import { MillraceError } from '../stages/errors.js'
import { createMessageCodec, type MessageCodec } from './avro/message-codec.js'
import { createRegistry, type SchemaRegistry } from './avro/registry.js'
import { createBackoff, unless } from './backoff.js'
import type { Config } from './config.js'
import { partitionCounts } from './kafka/admin.js'
import { createKafka } from './kafka/client.js'
import { kafkaOptionsOf } from './kafka-options.js'
import type { TrustedKey } from './model/keys.js'
import { registryOptionsOf } from './registry-options.js'
import { trustedKeysOf } from './trusted-keys.js'
import type { WorkerScope } from './worker-scope.js'

export interface WorkerClients {
  readonly kafka: Kafka
  /** of the member of the group alone */
  readonly memberKafka: Kafka
  readonly registry: SchemaRegistry
  readonly codec: MessageCodec
  /** whose commands are carried out; everybody's where there are none */
  readonly commandKeys: readonly TrustedKey[]
}

/** Of a worker that has its schemas: the codec is prepared. */
export interface PreparedClients extends WorkerClients {
  readonly predictionSchemaId: number
}

/** Waits for nobody. Throws what is wrong with the files of keys. */
export async function openClients({ id, config, log, onState, ending, onClose }: WorkerScope): Promise<WorkerClients> {
  const commandKeys = await trustedKeysOf(config.control)
  const kafkaOptions = {
    ...(await kafkaOptionsOf(config)),
    clientId: id,
    onLog: (level: 'warn' | 'info' | 'debug', message: string, extra: object) =>
      log[level === 'warn' ? 'debug' : 'trace'](extra, message),
  }
  const kafka = createKafka(kafkaOptions)
  const registry = createRegistry({
    ...(await registryOptionsOf(config)),
    onState: onState('registry'),
    signal: ending,
  })
  onClose(async () => registry.close())
  return { kafka, memberKafka: createKafka(kafkaOptions), registry, codec: createMessageCodec(registry), commandKeys }
}

/** Waits for the registry and for the broker, each in sight. Throws what waiting cannot mend. */
export async function prepareClients(scope: WorkerScope, clients: WorkerClients): Promise<PreparedClients> {
  const [{ predictionSchemaId }] = await Promise.all([
    clients.codec.prepare(scope.config.topics),
    checkPartitionsOnceThere(scope, clients),
  ])
  return { ...clients, predictionSchemaId }
}

async function checkPartitionsOnceThere(
  { config, onState, ending }: WorkerScope,
  { kafka }: WorkerClients,
): Promise<void> {
  const state = onState('source')
  const { input } = config.topics
  state('connecting', input)
  for (const backoff = createBackoff(); !ending.aborted; await backoff.wait(ending)) {
    try {
      await unless(checkPartitions(kafka, config), ending)
      return state('connecting', input)
    } catch (error) {
      if (!(error instanceof MillraceError) || !error.retryable) throw error
      state('waiting', error.line)
    }
  }
}

/** Predictions go to the partition number of their input: with fewer partitions there is no place for some of them. */
async function checkPartitions(kafka: Kafka, { topics }: Config): Promise<void> {
  const outputs = [topics.predictions, topics.deadLetter, topics.late]
  const found = await partitionCounts(kafka, [topics.input, ...outputs])
  const wanted = found.get(topics.input) ?? 0
  for (const topic of outputs) {
    const partitions = found.get(topic)
    if (partitions !== undefined && partitions < wanted)
      throw new MillraceError('partitions-differ', `${topic} has ${partitions}, ${topics.input} has ${wanted}`)
  }
}
