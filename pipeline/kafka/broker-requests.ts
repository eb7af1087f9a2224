/**
 * The one place where kafkajs's own codecs are passed over: a produce request of `chunked` records is encoded by produce-request.ts. All
 * the rest (connections, versions, authentication, errors, sequence numbers) stays kafkajs's, and so do the requests of everybody else.
 */
import kafkajs, { type Message } from 'kafkajs'
import type { OutgoingRecord } from '../../stages/ports.js'
import { internal } from './internals.js'
import { encodeProduce, type ProduceData } from './produce-request.js'
import type { Compress } from './record-batch-encoder.js'

interface ProtocolRequest {
  readonly request: { readonly apiVersion: number; encode(): Promise<unknown> }
  readonly response: { decode(payload: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> }
  readonly requestTimeout?: number
}

interface InnerBroker {
  lookupRequest(apiKey: number, definition: unknown): (data: unknown) => ProtocolRequest
  readonly connectionPool: { send(request: ProtocolRequest): Promise<unknown> }
  disconnect(): Promise<void>
  produce(data: Partial<ProduceData>): Promise<unknown>
}

const chunks = new WeakSet<readonly OutgoingRecord[]>()
let installed: boolean | undefined

/** Whether `chunked` messages can be sent: not on a release of kafkajs that nobody has read. */
export const canSendChunks = (): boolean => {
  installed ??= install()
  return installed
}

/**
 * What kafkajs asks of the messages of a topic: whether one lacks a value, and how they spread over the partitions. Answered at once, where
 * kafkajs would copy the list of a partition for every message in it.
 */
export const chunked = (
  parts: readonly { readonly partition: number; readonly records: readonly OutgoingRecord[] }[],
): Message[] => {
  const byPartition = Object.fromEntries(parts.map(({ partition, records }) => [partition, records]))
  for (const { records } of parts) chunks.add(records)
  return { find: () => undefined, reduce: () => byPartition } as unknown as Message[]
}

const install = (): boolean => {
  const broker = internal<{ prototype: InnerBroker }>('broker')?.prototype
  const requests = internal<{ requests: Record<string, unknown> }>('protocol/requests')?.requests
  const apiKeys = internal<Record<string, number>>('protocol/requests/apiKeys')
  if (!broker || !requests || !apiKeys) return false
  const { produce } = broker

  broker.produce = async function (data) {
    const { acks = -1, timeout = 30_000, compression = 0, topicData = [] } = data
    if (!topicData.every(({ partitions }) => partitions.every(({ messages }) => chunks.has(messages))))
      return produce.call(this, data)
    const full = { ...data, acks, timeout, compression, topicData }
    const stock = this.lookupRequest(apiKeys.Produce!, requests.Produce)(full)
    const encode = async () => {
      const buffer = await encodeProduce(full, compressor(compression))
      return { buf: buffer, buffer }
    }
    return send(this, { ...stock, request: { ...stock.request, encode } })
  }
  return true
}

const compressor = (compression: number): Compress | undefined => {
  const codecs = kafkajs.CompressionCodecs as Record<
    number,
    () => { compress(encoder: { buffer: Buffer }): Promise<Buffer> }
  >
  const codec = codecs[compression]?.()
  return codec && ((records) => codec.compress({ buffer: records }))
}

/** As kafkajs's own: a connection that the broker has closed is put away. */
const send = async (broker: InnerBroker, request: ProtocolRequest): Promise<unknown> => {
  try {
    return await broker.connectionPool.send(request)
  } catch (error) {
    if ((error as Error).name === 'KafkaJSConnectionClosedError') await broker.disconnect()
    throw error
  }
}
