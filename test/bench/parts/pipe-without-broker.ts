/**
 * The whole pipe with real bytes at both ends and no broker: record batches are read, decoded, scored in a thread, encoded, and laid into
 * produce requests that go nowhere. What this costs per record is the pipe's own; what a run on Kafka costs more is the network's.
 */
import { Observable } from 'rxjs'
import { createPredictionEncoder } from '../../../pipeline/avro/prediction-encoder.js'
import { createRecordDecoder } from '../../../pipeline/avro/record-decoder.js'
import { parseConfig } from '../../../pipeline/config.js'
import { decompress } from '../../../pipeline/kafka/broker-requests.js'
import { createLanes } from '../../../pipeline/kafka/lanes.js'
import { encodeProduce } from '../../../pipeline/kafka/produce-request.js'
import { createRecordReader } from '../../../pipeline/kafka/record-batch-decoder.js'
import { createScorer } from '../../../pipeline/model/scorer.js'
import { createPipe } from '../../../pipeline/pipe.js'
import { createPipeStats } from '../../../pipeline/pipe-stats.js'
import type {
  Assignment,
  Fetched,
  Generation,
  Outgoing,
  Publisher,
  ScoringPlan,
  TensorPlan,
} from '../../../stages/ports.js'
import { recordBytes } from '../../../stages/record-bytes.js'
import { rowSchema, rowValues } from '../feature-rows.js'
import { fetchedBytes } from '../fetched-bytes.js'
import { perceptron, workloads } from '../models.js'
import { type Row, rowOf } from '../result.js'
import type { Part } from '../suite.js'

const partitions = 8
const topic = 'bench.input'

export const pipeWithoutBroker: Part = async ({ smoke, rounds }) => {
  const rows: Row[] = []
  for (const [name, workload] of Object.entries(workloads)) {
    const records = smoke ? 4_096 : name === 'w1' ? 1_000_000 : 100_000
    const runs = []
    for (let round = 0; round < rounds; round++) runs.push(await runPipe(workload, records))
    const [seconds, cpu] = [runs.map((run) => records / run.seconds), runs.map((run) => run.cpuSeconds)]
    rows.push(
      rowOf('pipe', `${name}, no broker`, seconds, 'records/s', { note: stagesText(runs.at(-1)!.stages) }),
      rowOf(
        'pipe',
        `${name}, CPU`,
        cpu.map((spent) => (spent * 1e6) / records),
        's per million',
      ),
    )
  }
  return rows
}

const runPipe = async ({ layers, features, classes }: (typeof workloads)['w1' | 'w2'], records: number) => {
  const readerSchema = rowSchema()
  const fields = [{ field: 'features', width: features }]
  const input: TensorPlan = {
    tensor: 'features',
    type: 'float32',
    shape: [features],
    width: features,
    fields,
    allowNaN: false,
  }
  const plan: ScoringPlan = { readerSchema, inputs: [input] }
  const scorer = await createScorer({
    ref: 'bench@1',
    plan,
    files: new Map([['model.onnx', perceptron(layers)]]),
    manifest: {
      outputs: { scores: 'probabilities', values: {}, labels: Array.from({ length: classes }, (_, i) => `class-${i}`) },
    },
  })
  const nothing = () => undefined
  const scoring = { number: 1, model: 'bench@1', digest: 'b'.repeat(64), plan, scorer }
  const generation: Generation = { ...scoring, retain: nothing, release: nothing }
  const config = parseConfig({ deployment: 'bench', brokers: ['nowhere:9092'], registry: 'http://nowhere' })
  const stats = createPipeStats()
  const choose = () => ({ generation, until: Number.POSITIVE_INFINITY })
  const pipe = createPipe({
    config: () => config,
    swap: { choiceFor: () => ({ choose, arrived: nothing, close: nothing }), written: nothing },
    decoder: createRecordDecoder({ registry: { known: () => readerSchema, fetch: async () => readerSchema } }),
    encoder: createPredictionEncoder({ schemaId: 7 }),
    output: { publisher: intoNothing() },
    observer: stats.observer,
    shadows: { onCompared: nothing, onSkipped: nothing },
  })
  const bytes = fetchedBytes(rowValues(1, features), Math.min(records / partitions, features > 100 ? 1_024 : 8_192))
  const [cpu, began] = [process.cpuUsage(), performance.now()]
  await new Promise<void>((complete, error) => {
    pipe(assignmentOf(bytes, records)).subscribe({ complete, error })
  })
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  await scorer.close()
  return { seconds, cpuSeconds: (user + system) / 1e6, stages: stats.snapshot().stages }
}

/** The same fetch over and over, each time decoded anew and handed on as a run when there is credit for it. */
const assignmentOf = (bytes: Buffer, records: number): Assignment => ({
  epoch: 1,
  partitions: Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  commit: async () => undefined,
  records: (credits) =>
    new Observable((subscriber) => {
      const offsets = new Array<number>(partitions).fill(0)
      const feed = async () => {
        for (let left = records, partition = 0; left > 0; partition = (partition + 1) % partitions) {
          const reader = createRecordReader(Buffer.from(bytes), 0, [], decompress, topic)
          for (let more = true; more && left > 0; ) {
            const read = await reader.read(Math.min(2_048, left))
            more = read.length > 0
            if (!more) break
            const start = offsets[partition]!
            offsets[partition] = start + read.length
            left -= read.length
            const size = read.reduce((sum, record) => sum + recordBytes(record), 0)
            const run: Fetched = { topic, partition, start, next: start + read.length, records: read, bytes: size }
            await credits.take(read.length, size)
            subscriber.next(run)
          }
        }
        subscriber.complete()
      }
      feed().catch((error) => subscriber.error(error))
    }),
})

const limits = { records: 10_000, bytes: 800 * 1024 }

const intoNothing = (): Publisher => ({
  async publish(outgoing: readonly Outgoing[]) {
    const lanes = createLanes()
    for (const { partition, records } of outgoing) lanes.add('out', partition, records, () => undefined)
    const chunks = lanes.front(limits)
    await encodeProduce({
      ...{ acks: -1, timeout: 30_000, producerId: 7n, producerEpoch: 0 },
      topicData: [
        { topic: 'out', partitions: chunks.map(({ partition, records }) => ({ partition, messages: records })) },
      ],
    })
    // As an answer from the network would: not in this turn.
    await new Promise((resolve) => setImmediate(resolve))
  },
})

const stagesText = (stages: readonly { readonly stage: string; readonly totalMs: number }[]): string =>
  stages.map(({ stage, totalMs }) => `${stage} ${Math.round(totalMs)} ms`).join(', ')
