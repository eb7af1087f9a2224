/** What a partition answered to a fetch, read in runs. */
import type { KafkaMessage } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import { decompress } from './broker-requests.js'
import type { FetchedBatches } from './fetch-response.js'
import { internal } from './internals.js'
import { createRecordReader, isRecordBatch, offsetAfter, type RecordReader } from './record-batch-decoder.js'
import { toRecord } from './records.js'

export interface FetchedRecords {
  /** the committed records from the offset that was asked for */
  readonly reader: RecordReader
  /** the offset to fetch next */
  readonly next: number
}

/** Undefined when nothing was there. Throws or rejects with `batch-corrupt`. */
export const openFetched = (
  fetched: FetchedBatches,
  offset: number,
): FetchedRecords | undefined | Promise<FetchedRecords | undefined> => {
  const { topic, partition, bytes, aborted, loan } = fetched
  if (bytes.length === 0) return undefined
  if (!isRecordBatch(bytes)) return openMessageSet(bytes, offset)
  const next = offsetAfter(bytes)
  // The broker returns the first batch whole, however long it is, and it ends after the offset that was asked for.
  if (next === undefined || next <= offset)
    throw new MillraceError('batch-corrupt', `${topic} ${partition}, at offset ${offset}: no whole batch`)
  return { next, reader: createRecordReader(bytes, offset, aborted, decompress, `${topic} ${partition}`, loan) }
}

interface Decoders {
  readonly Decoder: new (bytes: Buffer) => object
  readonly decodeMessages: (decoder: object) => Promise<KafkaMessage[]>
}

const decoders = (): Decoders | undefined => {
  const Decoder = internal<Decoders['Decoder']>('protocol/decoder')
  const decodeMessages = internal<Decoders['decodeMessages']>('protocol/requests/fetch/v4/decodeMessages')
  return Decoder && decodeMessages && { Decoder, decodeMessages }
}

/** What was written before Kafka 0.11 is left to kafkajs: there are no transactions in it. */
const openMessageSet = async (bytes: Buffer, offset: number): Promise<FetchedRecords | undefined> => {
  const { Decoder, decodeMessages } = decoders() ?? {}
  if (!Decoder || !decodeMessages) return undefined
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  const messages = await decodeMessages(new Decoder(Buffer.concat([length, bytes])))
  const records = messages.map(toRecord).filter((record) => record.offset >= offset)
  const last = records[records.length - 1]
  if (last === undefined) return undefined
  return { next: last.offset + 1, reader: { read: (max) => records.splice(0, max) } }
}
