/** The swap of a worker: its logs on Kafka, and the models that come from its store, verified. */

import type { LoadedModel } from '../stages/ports.js'
import { createCommandDecoder } from './command-decoder.js'
import { costSizes } from './deadline-costs.js'
import { createKafkaLog, createWritableKafkaLog } from './deployment-logs.js'
import type { EventLog } from './event-log.js'
import { partitionEdges } from './kafka/log.js'
import { createInferenceThreads } from './model/inference-threads.js'
import { createModelLoader } from './model/loader.js'
import { verifiedMarks } from './model/verified-marks.js'
import { uncommittedRecords } from './pipe.js'
import type { FenceEntry } from './swap/fences.js'
import { createSwap, type Swap } from './swap/swap.js'
import { createVerification } from './verification.js'
import type { WorkerClients } from './worker-clients.js'
import type { WorkerScope } from './worker-scope.js'
import type { WorkerStore } from './worker-store.js'

/** Not started yet. `onThreadDeath` is told of every inference thread that dies. */
export function openSwap(
  { id, config, log, onState, ending, onClose }: WorkerScope,
  { kafka, registry, codec, commandKeys }: WorkerClients,
  { store, loadable, trustedKeys }: WorkerStore,
  events: EventLog,
  fallback: LoadedModel | undefined,
  onThreadDeath: () => void,
): Swap {
  const logOptions = { kafka, signal: ending }
  const verify = createVerification(
    { config, kafka, registry, trustedKeys, store, signal: ending, fallbackDigest: fallback?.digest },
    () => swap.active,
  )
  const fenceLog = createWritableKafkaLog<FenceEntry>({
    ...logOptions,
    topic: config.topics.fences,
    onState: onState('fences'),
    decode: async ({ key, value }) => ({ key: String(key), fence: value && (await codec.decodeFence(value)) }),
    encode: ({ key, fence }) => ({ key, value: fence && codec.encodeFence(fence) }),
  })
  onClose(() => fenceLog.close())
  const threads = createInferenceThreads()
  onClose(() => threads.close())
  const marks = verifiedMarks(config.bundles.directory)
  const swap: Swap = createSwap({
    deployment: config.deployment,
    worker: id,
    initial: config.model,
    control: createKafkaLog({
      ...logOptions,
      topic: config.topics.control,
      onState: onState('control'),
      decode: createCommandDecoder(codec, config.deployment, commandKeys),
    }),
    fences: fenceLog,
    loader: createModelLoader({
      store: loadable,
      trustedKeys,
      ...(config.verification.inChild && { verify }),
      knownCosts: async (digest) => (await marks.of(digest))?.costs,
      ...(config.deadline && { measure: { batchSizes: costSizes(config), measureMs: 50 } }),
      scorer: {
        ...config.inference,
        threads,
        onDeath: (model, reason) => {
          onThreadDeath()
          log.error({ model, reason }, 'an inference thread died and is started again')
        },
      },
    }),
    keepPrevious: config.bundles.keepPrevious,
    inputEdges: (partitions) =>
      partitionEdges(
        kafka,
        config.topics.input,
        partitions.map(({ partition }) => partition),
        ending,
      ),
    uncommittedRecords: uncommittedRecords(config),
    onEvent: events.emit,
  })
  onClose(() => swap.close())
  const onModel = onState('model')
  swap.changes.subscribe(() => {
    const { active, waiting } = swap.status
    onModel(waiting === undefined ? 'running' : 'waiting', waiting ?? `${active?.model}`)
  })
  return swap
}
