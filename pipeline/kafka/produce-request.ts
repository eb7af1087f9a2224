/** The body of a produce request, versions 3 to 7, with all its batches in one buffer. */
import type { OutgoingRecord } from '../../stages/ports.js'
import {
  type BatchSettings,
  batchBound,
  type Compress,
  encodeBatch,
  encodeCompressedBatch,
} from './record-batch-encoder.js'

export interface ProducePartition {
  readonly partition: number
  /** at least one */
  readonly messages: readonly OutgoingRecord[]
  readonly firstSequence?: number
}

export interface ProduceData {
  readonly acks: number
  readonly timeout: number
  readonly transactionalId?: string | null
  readonly producerId?: string | number | bigint
  readonly producerEpoch?: number
  readonly compression?: number
  readonly topicData: readonly { readonly topic: string; readonly partitions: readonly ProducePartition[] }[]
}

/*
 * `room` bytes lie free before what is returned.
 *
 * transactional_id nullable string | acks int16 | timeout int32
 * [ topic string [ partition int32 | size int32 | batch ] ]
 */
export const encodeProduce = async (data: ProduceData, compress?: Compress, room = 0): Promise<Buffer> => {
  const settings = (firstSequence = 0): BatchSettings => ({
    compression: compress ? (data.compression ?? 0) : 0,
    transactional: Boolean(data.transactionalId),
    producerId: BigInt(data.producerId ?? -1),
    producerEpoch: data.producerEpoch ?? 0,
    firstSequence,
  })
  const compressed = new Map<ProducePartition, Buffer>()
  let bound = room + 2 + Buffer.byteLength(data.transactionalId ?? '') + 2 + 4 + 4
  for (const { topic, partitions } of data.topicData) {
    bound += 2 + Buffer.byteLength(topic) + 4
    for (const one of partitions) {
      if (compress)
        compressed.set(one, await encodeCompressedBatch(one.messages, settings(one.firstSequence), compress))
      bound += 8 + (compressed.get(one)?.length ?? batchBound(one.messages))
    }
  }

  const target = Buffer.allocUnsafeSlow(bound)
  let at = writeText(target, room, data.transactionalId ?? null)
  at = target.writeInt16BE(data.acks, at)
  at = target.writeInt32BE(data.timeout, at)
  at = target.writeInt32BE(data.topicData.length, at)
  for (const { topic, partitions } of data.topicData) {
    at = writeText(target, at, topic)
    at = target.writeInt32BE(partitions.length, at)
    for (const one of partitions) {
      const start = target.writeInt32BE(one.partition, at) + 4
      const ready = compressed.get(one)
      if (ready) target.set(ready, start)
      const end = ready ? start + ready.length : encodeBatch(target, start, one.messages, settings(one.firstSequence))
      target.writeInt32BE(end - start, start - 4)
      at = end
    }
  }
  return target.subarray(room, at)
}

const writeText = (target: Buffer, at: number, text: string | null): number => {
  if (text === null) return target.writeInt16BE(-1, at)
  return target.writeInt16BE(Buffer.byteLength(text), at) + target.write(text, at + 2, 'utf8')
}
