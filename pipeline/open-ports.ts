/** Kafka, Avro and ONNX behind the ports of the stages, for a pipe of one's own. */
import type { Generation, PredictionEncoder, Publisher, RecordDecoder, Source } from '../stages/ports.js'
import { createMessageCodec } from './avro/message-codec.js'
import { createPredictionEncoder } from './avro/prediction-encoder.js'
import { createRecordDecoder } from './avro/record-decoder.js'
import { createRegistry } from './avro/registry.js'
import { type Config, type ConfigInput, parseConfig } from './config.js'
import { createKafka } from './kafka/client.js'
import { createPublisher } from './kafka/publisher.js'
import { createKafkaSource } from './kafka/source.js'
import { kafkaOptionsOf } from './kafka-options.js'
import { registryOptionsOf } from './registry-options.js'
import { trustedKeysOf } from './trusted-keys.js'

export interface PipePorts {
  /** parsed and checked, with every default */
  readonly config: Config
  /** the input topic, read as a member of the group */
  readonly source: Source
  readonly decoder: RecordDecoder
  readonly encoder: PredictionEncoder
  /** to the predictions, dead-letter, late and shadow topics */
  readonly publisher: Publisher
  /**
   * A bundle of the store (`bundles.directory`), tried, loaded and warm, as a generation that is never replaced. Rejects with the code of the
   * gate that refused it. Closed by `close`.
   */
  load(ref: string, digest?: string): Promise<Generation>
  /** Stop the source first. Idempotent. */
  close(): Promise<void>
}

/**
 * Connects, waiting for a broker and a registry that are away. Throws `config-invalid`. There is no control topic and there are no fences here:
 * which model scores is what the caller's `ModelChoice` says.
 */
export const openPorts = async (settings: ConfigInput): Promise<PipePorts> => {
  const config = parseConfig(settings)
  const { topics, bundles, inference } = config
  const kafkaOptions = await kafkaOptionsOf(config)
  const registry = createRegistry(await registryOptionsOf(config))
  const publisher = createPublisher({ kafka: createKafka(kafkaOptions), topics })
  const trustedKeys = await trustedKeysOf(bundles)
  const loaded: Generation[] = []
  const close = async () => {
    await Promise.all(loaded.splice(0).map(({ scorer }) => scorer.close()))
    await publisher.close()
    registry.close()
  }
  try {
    const [{ predictionSchemaId }] = await Promise.all([
      createMessageCodec(registry).prepare(topics),
      publisher.connect(),
    ])
    return {
      config,
      source: createKafkaSource({
        // A client of its own: kafkajs keeps the offsets of a group in the client.
        kafka: createKafka(kafkaOptions),
        groupId: config.kafka.groupId,
        topic: topics.input,
        sessionTimeoutMs: config.kafka.sessionTimeoutMs,
        drainTimeoutMs: config.drainTimeoutMs,
        fetch: { maxBytesPerPartition: config.kafka.maxFetchBytesPerPartition, maxWaitMs: config.kafka.maxFetchWaitMs },
      }),
      decoder: createRecordDecoder({ registry, echo: config.echo }),
      encoder: createPredictionEncoder({ schemaId: predictionSchemaId }),
      publisher,
      async load(ref, wanted) {
        // Loaded with the first bundle: whoever only produces or reads has no use for it.
        const [{ createModelLoader }, { openStore }] = await Promise.all([
          import('./model/loader.js'),
          import('./model/store.js'),
        ])
        const loader = createModelLoader({ store: openStore(bundles.directory), scorer: inference, trustedKeys })
        const { ref: model, digest, plan, scorer } = await loader.load(ref, wanted)
        const generation: Generation = { number: 1, model, digest, plan, scorer, retain() {}, release() {} }
        loaded.push(generation)
        return generation
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
