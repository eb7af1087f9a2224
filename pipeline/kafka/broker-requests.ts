/**
 * The one place where kafkajs's own codecs are passed over: a produce request of `chunked` records is encoded by produce-request.ts, and
 * `fetchBatches` leaves the record batches to record-batch-decoder.ts. All the rest (connections, versions, authentication, errors,
 * sequence numbers) stays kafkajs's, and so do the requests of everybody else.
 */
import kafkajs, { type Broker, type Message } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import { decodeFetchResponse, type FetchedBatches, type FetchResponse } from './fetch-response.js'
import { headRoom, withHeadRoom } from './head-room.js'
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

const modules = () => {
  const broker = internal<{ prototype: InnerBroker }>('broker')?.prototype
  const requests = internal<{ requests: Record<string, unknown> }>('protocol/requests')?.requests
  const apiKeys = internal<Record<string, number>>('protocol/requests/apiKeys')
  return broker && requests && apiKeys && { broker, requests, apiKeys }
}

const install = (): boolean => {
  const found = modules()
  if (!found) return false
  const { broker, requests, apiKeys } = found
  const { produce } = broker

  broker.produce = async function (data) {
    const { acks = -1, timeout = 30_000, compression = 0, topicData = [] } = data
    if (!topicData.every(({ partitions }) => partitions.every(({ messages }) => chunks.has(messages))))
      return produce.call(this, data)
    const { transactionalId, producerId, producerEpoch } = data
    const full = { acks, timeout, compression, topicData, transactionalId, producerId, producerEpoch }
    const stock = this.lookupRequest(apiKeys.Produce!, requests.Produce)(full)
    const encode = async () => withHeadRoom(await encodeProduce(full, compressor(compression), headRoom))
    // Made anew by every lookup, so it can be changed: to spread it costs more (see "What keeps it fast" in pipeline/docs/speed.md).
    Object.assign(stock.request, { encode })
    return send(this, stock)
  }
  return true
}

const compressor = (compression: number): Compress | undefined => {
  const codec = codecOf(compression)
  return codec && ((records) => codec.compress({ buffer: records }))
}

/** Kafka's number of a codec → the codec; undefined for 0. Throws for one that is not registered. */
const codecOf = (compression: number) => {
  if (compression === 0) return undefined
  const codecs = kafkajs.CompressionCodecs as Record<number, undefined | (() => Codec)>
  const codec = codecs[compression]?.()
  if (!codec) throw new MillraceError('batch-corrupt', `there is no compression codec ${compression}`)
  return codec
}

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

export const decompress = async (codec: number, records: Buffer): Promise<Buffer> =>
  (await codecOf(codec)?.decompress(records)) ?? records

/** As kafkajs's own: a connection that the broker has closed is put away. */
const send = async (broker: InnerBroker, request: ProtocolRequest): Promise<unknown> => {
  try {
    return await broker.connectionPool.send(request)
  } catch (error) {
    if ((error as Error).name === 'KafkaJSConnectionClosedError') await broker.disconnect()
    throw error
  }
}

export interface FetchWanted {
  readonly partition: number
  readonly offset: number
}

export interface FetchLimits {
  readonly maxBytesPerPartition: number
  /** of the whole response, which has one batch all the same if it is longer */
  readonly maxBytes: number
  readonly maxWaitMs: number
}

/** `fetchBatches`, or undefined on a release of kafkajs that nobody has read. */
export const batchFetcher = () => (modules() ? fetchBatches : undefined)

/** One fetch of partitions that `broker` leads, the first of them first; committed records only. Errors of partitions are in the answers. */
const fetchBatches = async (
  broker: Broker,
  topic: string,
  wanted: readonly FetchWanted[],
  limits: FetchLimits,
): Promise<readonly FetchedBatches[]> => {
  const inner = broker as unknown as InnerBroker
  const { requests, apiKeys } = modules()!
  const partitions = wanted.map(({ partition, offset }) => ({
    partition,
    fetchOffset: String(offset),
    maxBytes: limits.maxBytesPerPartition,
  }))
  const stock = inner.lookupRequest(
    apiKeys.Fetch!,
    requests.Fetch,
  )({
    isolationLevel: readCommitted,
    maxWaitTime: limits.maxWaitMs,
    minBytes: 1,
    maxBytes: limits.maxBytes,
    topics: [{ topic, partitions }],
  })
  const { apiVersion } = stock.request
  if (apiVersion < 4) throw new MillraceError('config-invalid', 'Kafka before 0.11 is not supported')
  const response = {
    decode: async (payload: Buffer) => {
      const { throttleMs, partitions } = decodeFetchResponse(payload, apiVersion)
      return { throttleMs, partitions, clientSideThrottleTime: apiVersion >= 8 ? throttleMs : 0 }
    },
    parse: async (decoded: unknown) => (decoded as FetchResponse).partitions,
  }
  return (await send(inner, Object.assign(stock, { response }))) as readonly FetchedBatches[]
}

const readCommitted = 1

/** The broker's error as kafkajs would have thrown it. */
export const protocolError = (code: number): Error => {
  const create = internal<{ createErrorFromCode(code: number): Error }>('protocol/error')?.createErrorFromCode
  return create?.(code) ?? new Error(`the broker answered with error ${code}`)
}
