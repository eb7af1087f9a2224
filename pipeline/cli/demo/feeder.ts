/** Sends scans at a steady rate, one after the other, over and over. */
import type { Kafka } from 'kafkajs'
import type { OutgoingRecord } from '../../../stages/ports.js'
import { frame } from '../../avro/framing.js'
import type { SchemaRegistry } from '../../avro/registry.js'
import { parseType } from '../../avro/types.js'
import { pause } from '../../backoff.js'
import { createPublisher } from '../../kafka/publisher.js'
import { createPace } from './pace.js'
import type { Scans } from './scans.js'

export interface FeederOptions {
  readonly kafka: Kafka
  readonly registry: SchemaRegistry
  readonly topic: string
  readonly partitions: number
  readonly scans: Scans
  readonly perSecond: number
  /** records that have no prediction yet: with too many of them it holds */
  readonly open: () => number
  readonly onSent: (partition: number, records: number) => void
  /** ends the feeding; what was begun is sent to the end */
  readonly signal: AbortSignal
  /** gives up what the broker has not acknowledged */
  readonly abandon: AbortSignal
}

const everyMs = 10
/** Seconds' worth of records that may wait for a prediction. */
const patienceSeconds = 30

/** Resolves when it has ended and the broker has everything; rejects when that is given up. The records of a partition get its offsets 0, 1, 2, … */
export const feed = async (options: FeederOptions): Promise<void> => {
  const { kafka, registry, topic, partitions, scans, perSecond, signal, abandon } = options
  const schemaId = await registry.register(`${topic}-value`, scans.schema)
  const type = parseType(scans.schema)
  const records = scans.all.map((scan) => ({
    key: Buffer.from(scan.id),
    value: frame(schemaId, type.toBuffer(scan)),
    headers: undefined,
  }))
  const publisher = createPublisher({ kafka, topics: { predictions: topic, deadLetter: topic, late: topic } })
  abandon.addEventListener('abort', () => void publisher.close(), { once: true })
  await publisher.connect()
  const pace = createPace(perSecond, performance.now())
  let sent = 0
  try {
    while (!signal.aborted) {
      const room = Math.max(0, perSecond * patienceSeconds - options.open())
      const due = Math.min(pace(performance.now()), room)
      const batches = new Map<number, OutgoingRecord[]>()
      const timestamp = Date.now()
      for (let left = due; left > 0; left--, sent++) {
        const record = { ...records[sent % records.length]!, timestamp }
        const batch = batches.get(sent % partitions)
        if (batch) batch.push(record)
        else batches.set(sent % partitions, [record])
      }
      for (const [partition, batch] of batches) options.onSent(partition, batch.length)
      await publisher.publish(
        [...batches].map(([partition, batch]) => ({ kind: 'predictions' as const, partition, records: batch })),
      )
      await pause(everyMs, signal)
    }
  } finally {
    await publisher.close()
  }
}
