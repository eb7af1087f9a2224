/** What a broker would send: record batches of `perBatch` records each, one after the other, in memory of their own. */
import { batchBound, encodeBatch } from '../../pipeline/kafka/record-batch-encoder.js'
import type { OutgoingRecord } from '../../stages/ports.js'

const settings = { compression: 0, transactional: false, producerId: -1n, producerEpoch: -1, firstSequence: -1 }

/** `count` records with the values in turn, from offset `from` on. */
export const fetchedBytes = (values: readonly Buffer[], count: number, from = 0, perBatch = 1_000): Buffer => {
  const batches: Buffer[] = []
  for (let at = 0; at < count; at += perBatch) {
    const records = Array.from(
      { length: Math.min(perBatch, count - at) },
      (_, index): OutgoingRecord => ({
        key: Buffer.from(`k${from + at + index}`),
        value: values[(at + index) % values.length]!,
        headers: undefined,
        timestamp: 1_700_000_000_000,
      }),
    )
    const target = Buffer.alloc(batchBound(records))
    const end = encodeBatch(target, 0, records, settings)
    // The broker gives the offsets; they lie before what the checksum covers.
    target.writeBigInt64BE(BigInt(from + at), 0)
    batches.push(target.subarray(0, end))
  }
  return Buffer.concat(batches)
}
