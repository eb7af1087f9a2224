/** The body of a fetch response, versions 4 to 11, down to the record batches, which stay bytes. */
import { type LentMemory, loanOf } from '../../stages/lent-memory.js'
import type { AbortedTransaction } from './record-batch-decoder.js'

export interface FetchedBatches {
  readonly topic: string
  readonly partition: number
  /** Kafka's number of the error; 0: none */
  readonly errorCode: number
  readonly aborted: readonly AbortedTransaction[]
  /** record batches one after the other; the last may be cut off */
  readonly bytes: Buffer
  /** what the bytes are part of, when that is used again; one of it is held for them */
  readonly loan?: LentMemory | undefined
}

export interface FetchResponse {
  readonly throttleMs: number
  readonly partitions: readonly FetchedBatches[]
}

/*
 * throttle int32 | from 7: error int16, session int32
 * [ topic string
 *   [ partition int32 | error int16 | high watermark int64 | last stable offset int64 | from 5: log start int64
 *     [ producer id int64 | first offset int64 ] | from 11: preferred replica int32 | length int32, batches ] ]
 */
export const decodeFetchResponse = (payload: Buffer, version: number): FetchResponse => {
  const loan = loanOf(payload)
  let at = 0
  const skip = (length: number) => {
    at += Math.max(0, length)
    return at - Math.max(0, length)
  }
  const int16 = () => payload.readInt16BE(skip(2))
  const int32 = () => payload.readInt32BE(skip(4))
  const int64 = () => payload.readBigInt64BE(skip(8))
  const bytes = (length: number) => payload.subarray(skip(length), at)
  const list = <T>(read: () => T): T[] => {
    const all: T[] = []
    for (let left = int32(); left > 0; left--) all.push(read())
    return all
  }

  const throttleMs = int32()
  if (version >= 7) skip(6)
  const topics = list(() => {
    const topic = String(bytes(int16()))
    return list((): FetchedBatches => {
      const [partition, errorCode] = [int32(), int16()]
      skip(version >= 5 ? 24 : 16)
      const aborted = list(() => ({ producerId: int64(), firstOffset: Number(int64()) }))
      if (version >= 11) skip(4)
      const batches = bytes(int32())
      if (batches.length > 0) loan?.hold(1)
      return { topic, partition, errorCode, aborted, bytes: batches, loan }
    })
  })
  return { throttleMs, partitions: topics.flat() }
}
