/** What goes in: records of some floats, the same for every application. */
import avro from 'avsc'
import type { Kafka } from 'kafkajs'
import { frame } from '../../pipeline/avro/framing.js'
import { createRegistry } from '../../pipeline/avro/registry.js'
import { createTopics } from '../../pipeline/kafka/admin.js'
import { createPublisher } from '../../pipeline/kafka/publisher.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import { seeded } from './models.js'

/** `padding`: bytes of each record that no model reads. */
export const rowSchema = (padding = false) => ({
  type: 'record' as const,
  name: 'FeatureRow',
  namespace: 'bench',
  fields: [
    { name: 'id', type: 'string' as const },
    { name: 'features', type: { type: 'array' as const, items: 'float' as const } },
    ...(padding ? [{ name: 'padding', type: 'bytes' as const }] : []),
  ],
})

const distinct = 512

/** Framed values, of which the `index`-th is to be repeated. */
export const rowValues = (schemaId: number, features: number, padding = 0): Buffer[] => {
  const type = avro.Type.forSchema(rowSchema(padding > 0))
  const random = seeded()
  return Array.from({ length: distinct }, (_, index) => {
    const row = { id: `r${index}`, features: Array.from({ length: features }, random) }
    return frame(schemaId, type.toBuffer(padding > 0 ? { ...row, padding: Buffer.alloc(padding, index) } : row))
  })
}

export const registerRows = async (url: string, topic: string, padding = false): Promise<number> => {
  const registry = createRegistry({ url })
  try {
    return await registry.register(`${topic}-value`, rowSchema(padding))
  } finally {
    registry.close()
  }
}

export interface FillOptions {
  readonly topic: string
  readonly partitions: number
  readonly records: number
  readonly values: readonly Buffer[]
}

/** records per partition and request at most, of about a megabyte; over all partitions well below socket.request.max.bytes */
const requestRecords = 4_096
const requestBytes = 700_000
const allBytes = 32_000_000

/** Makes the topic and fills it, the partitions in turn. */
export const fillTopic = async (kafka: Kafka, { topic, partitions, records, values }: FillOptions): Promise<void> => {
  await createTopics(kafka, [{ topic, partitions, replicationFactor: -1, config: { 'retention.ms': '86400000' } }])
  const topics = { predictions: topic }
  const publisher = createPublisher({ kafka, topics, idempotent: true })
  const size = values[0]?.length ?? 1
  const each = Math.max(1, Math.min(requestRecords, Math.floor(Math.min(requestBytes, allBytes / partitions) / size)))
  const recordAt = (index: number): OutgoingRecord => ({
    key: Buffer.from(`k${index}`),
    value: values[index % values.length]!,
    headers: undefined,
    timestamp: Date.now(),
  })
  for (let at = 0; at < records; at += each * partitions) {
    const outgoing = Array.from({ length: partitions }, (_, partition) => {
      const own: OutgoingRecord[] = []
      for (let index = at + partition; index < Math.min(records, at + each * partitions); index += partitions)
        own.push(recordAt(index))
      return { kind: 'predictions' as const, partition, records: own }
    })
    await publisher.publish(outgoing)
  }
  await publisher.close()
}
