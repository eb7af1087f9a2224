/** The source of a worker and the pipe on it. */
import type { Observable } from 'rxjs'
import type { Assignment, Encoded, Source } from '../stages/ports.js'
import { createPredictionEncoder } from './avro/prediction-encoder.js'
import { createRecordDecoder } from './avro/record-decoder.js'
import { createPublisher } from './kafka/publisher.js'
import { createKafkaSource } from './kafka/source.js'
import { createPipe } from './pipe.js'
import type { PipeObserver } from './pipe-observer.js'
import { createShadowReport, type ShadowReport } from './shadow-report.js'
import type { Swap } from './swap/swap.js'
import type { WorkerClients } from './worker-clients.js'
import type { WorkerScope } from './worker-scope.js'

export interface WorkerPipe {
  readonly source: Source
  readonly pipe: (assignment: Assignment) => Observable<Encoded>
  readonly shadows: ShadowReport
}

/** Starts the swap, and resolves when records may come: the model is loaded and the publisher connected. */
export async function openPipe(
  { config, live, onState, onClose }: WorkerScope,
  { kafka, memberKafka, registry, codec, predictionSchemaId }: WorkerClients,
  swap: Swap,
  observer: PipeObserver,
): Promise<WorkerPipe> {
  const { topics } = config
  const publisher = createPublisher({ kafka, topics, onState: onState('publisher') })
  onClose(() => publisher.close())
  await Promise.all([publisher.connect().then(() => onState('publisher')('running', topics.predictions)), swap.start()])
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
    beforeRecords: (partitions, tenure) => swap.takeOver(partitions, tenure),
    onState: onState('source'),
  })
  const pipe = createPipe({
    shadows,
    config: () => live.current,
    swap,
    decoder: createRecordDecoder({ registry, echo: config.echo }),
    encoder: createPredictionEncoder({ schemaId: predictionSchemaId }),
    publisher,
    observer,
  })
  return { source, pipe, shadows }
}
