/** The source of a worker and the pipe on it. */
import type { Kafka } from 'kafkajs'
import type { Observable } from 'rxjs'
import { deadLetterLimit } from '../stages/dead-letter-limit.js'
import { MillraceError } from '../stages/errors.js'
import { createLetterWindow } from '../stages/letter-window.js'
import type { Assignment, DeadlineRule, Encoded, LoadedModel, Source, TopicPartition } from '../stages/ports.js'
import { createLateEncoder } from './avro/late-encoder.js'
import { createPredictionEncoder } from './avro/prediction-encoder.js'
import { createRecordDecoder } from './avro/record-decoder.js'
import { createDeadlineCosts } from './deadline-costs.js'
import { createFallback, type FallbackStatus } from './deadline-fallback.js'
import type { Guardrails } from './guardrails.js'
import { createPublisher } from './kafka/publisher.js'
import { createKafkaSource } from './kafka/source.js'
import { createTransactionalPublisher } from './kafka/transactional-publisher.js'
import { createPipe, type PipeParts } from './pipe.js'
import { observers, type PipeObserver } from './pipe-observer.js'
import { createShadowReport, type ShadowReport } from './shadow-report.js'
import type { Swap } from './swap/swap.js'
import type { PreparedClients } from './worker-clients.js'
import type { WorkerScope } from './worker-scope.js'

export interface WorkerPipe {
  readonly source: Source
  readonly pipe: (assignment: Assignment) => Observable<Encoded>
  readonly shadows: ShadowReport
  /** of the deadline, where it has one */
  readonly fallback: () => FallbackStatus | undefined
}

/**
 * Starts the swap, and resolves when records may come: the model is loaded and the publisher connected. `halt` is told when the worker is to
 * end: the pipe has completed then.
 */
export async function openPipe(
  { config, live, onState, onClose }: WorkerScope,
  { kafka, memberKafka, registry, codec, predictionSchemaId }: PreparedClients,
  swap: Swap,
  observer: PipeObserver,
  guardrails: Guardrails,
  fallbackModel: LoadedModel | undefined,
  halt: (error: MillraceError) => void,
): Promise<WorkerPipe> {
  const { topics } = config
  const { limit } = config.deadLetter
  const output = openOutput({ config, onState, onClose }, kafka, observer)
  await Promise.all([output.ready.then(() => onState('publisher')('running', topics.predictions)), swap.start()])
  const shadowPublisher = createPublisher({ kafka, topics: { shadow: topics.shadow }, onState: onState('shadow') })
  onClose(() => shadowPublisher.close())
  const shadows = createShadowReport(shadowPublisher, codec.encodeShadow)
  const source = createKafkaSource({
    kafka: memberKafka,
    groupId: config.kafka.groupId,
    topic: topics.input,
    sessionTimeoutMs: config.kafka.sessionTimeoutMs,
    drainTimeoutMs: config.drainTimeoutMs,
    fetch: { maxBytesPerPartition: config.kafka.maxFetchBytesPerPartition, maxWaitMs: config.kafka.maxFetchWaitMs },
    beforeRecords: async (partitions, tenure) => {
      await output.begin(partitions, tenure.signal)
      await swap.takeOver(partitions, tenure)
    },
    onState: onState('source'),
  })
  const fallback = fallbackModel && createFallback(fallbackModel)
  const deadlines = config.deadline && {
    rule: () => live.current.deadline as DeadlineRule,
    costs: createDeadlineCosts(),
    ...(fallback && { fallback }),
  }
  const pipe = createPipe({
    shadows: alsoSeenBy(guardrails, shadows),
    config: () => live.current,
    swap,
    decoder: createRecordDecoder({ registry, echo: config.echo }),
    encoder: createPredictionEncoder({
      schemaId: predictionSchemaId,
      ...(config.deadline?.class === 'soft' && { late: (scored, row) => scored.late?.has(row) ?? false }),
    }),
    ...(deadlines && { deadlines, lateEncoder: createLateEncoder(codec) }),
    output: output.stage,
    observer: deadlines
      ? observers([deadlines.costs.observer, ...(fallback ? [fallback.observer] : []), observer])
      : observer,
    ...(limit && {
      letterLimit: deadLetterLimit({
        window: createLetterWindow(limit),
        onExceeded: (figures) => halt(new MillraceError('dead-letter-limit', figures)),
      }),
    }),
  })
  return { source, pipe, shadows, fallback: () => fallback?.status }
}

const alsoSeenBy = (guardrails: Guardrails, shadows: ShadowReport): Pick<ShadowReport, 'onCompared' | 'onSkipped'> => ({
  onSkipped: shadows.onSkipped,
  onCompared(comparison) {
    shadows.onCompared(comparison)
    guardrails.onCompared(comparison)
  },
})

interface Output {
  readonly stage: PipeParts['output']
  /** Resolves when the broker is there. */
  readonly ready: Promise<void>
  /** Before the first record of an assignment is read: whoever had the partitions before can publish nothing more. */
  begin(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
}

function openOutput(
  { config, onState, onClose }: Pick<WorkerScope, 'config' | 'onState' | 'onClose'>,
  kafka: Kafka,
  { transacted: onEnded }: Pick<PipeObserver, 'transacted'>,
): Output {
  const { topics, delivery, transactionIntervalMs: intervalMs } = config
  if (delivery === 'exactly-once') {
    const { groupId } = config.kafka
    const transactor = createTransactionalPublisher({
      kafka,
      groupId,
      topics,
      intervalMs,
      onState: onState('publisher'),
      onEnded,
    })
    onClose(() => transactor.close())
    return { stage: { transactor }, ready: Promise.resolve(), begin: transactor.begin }
  }
  const publisher = createPublisher({ kafka, topics, onState: onState('publisher') })
  onClose(() => publisher.close())
  return { stage: { publisher }, ready: publisher.connect(), begin: async () => undefined }
}
