import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { decompress } from '../../pipeline/kafka/broker-requests.js'
import { registerCompression, zstdAvailable } from '../../pipeline/kafka/compression.js'
import { internal } from '../../pipeline/kafka/internals.js'
import { encodeProduce, type ProduceData } from '../../pipeline/kafka/produce-request.js'
import { createRecordReader } from '../../pipeline/kafka/record-batch-decoder.js'
import { batchBound, encodeBatch } from '../../pipeline/kafka/record-batch-encoder.js'
import { Reply } from '../../stages/placed-records.js'
import type { OutgoingRecord, SourceRecord } from '../../stages/ports.js'
import { recordBytes } from '../../stages/record-bytes.js'
import { anyRecords, stockMessage } from '../fixtures/record-batches.js'

registerCompression()
const stock = internal<(data: unknown) => { encode(): Promise<{ buffer: Buffer }> }>(
  'protocol/requests/produce/v7/request',
)!

const produce: fc.Arbitrary<ProduceData> = fc.record({
  acks: fc.constantFrom(-1, 0, 1),
  timeout: fc.nat(),
  transactionalId: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  producerId: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }).map(String),
  producerEpoch: fc.nat({ max: 32_767 }),
  topicData: fc.array(
    fc.record({
      topic: fc.string({ minLength: 1, maxLength: 20 }),
      partitions: fc.array(
        fc.record({
          partition: fc.nat(),
          firstSequence: fc.nat({ max: 2 ** 31 - 1 }),
          messages: anyRecords,
        }),
        { maxLength: 4 },
      ),
    }),
    { maxLength: 3 },
  ),
})

const asStock = (data: ProduceData) => ({
  ...data,
  topicData: data.topicData.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map((one) => ({ ...one, messages: one.messages.map(stockMessage) })),
  })),
})

test('a produce request is byte for byte what kafkajs makes of the same records', async () => {
  await fc.assert(
    fc.asyncProperty(produce, async (data) => {
      const [own, theirs] = [await encodeProduce(data), await stock(asStock(data)).encode()]
      expect(own.equals(theirs.buffer)).toBe(true)
    }),
    { numRuns: 150 },
  )
})

test('a reply to a fetched record is written as if it were spelled out', () => {
  const settings = { compression: 0, transactional: false, producerId: 7n, producerEpoch: 1, firstSequence: 2 }
  const encoded = (records: readonly OutgoingRecord[]) => {
    const target = Buffer.alloc(batchBound(records))
    return target.subarray(0, encodeBatch(target, 0, records, settings))
  }
  fc.assert(
    fc.property(anyRecords, fc.uint8Array({ maxLength: 600 }), fc.nat(300), (inputs, memory, at) => {
      const read = createRecordReader(encoded(inputs), 0, [], decompress, 'input 0').read(inputs.length)
      const value = Buffer.from(memory)
      const from = Math.min(at, value.length)
      const replies = (read as SourceRecord[]).map((input) => new Reply(input, value, from, value.length - from))
      const spelledOut = inputs.map((input) => ({ ...input, value: value.subarray(from) }))
      expect(encoded(replies).equals(encoded(spelledOut))).toBe(true)
      expect(replies.map(recordBytes)).toEqual(spelledOut.map(recordBytes))
    }),
    { numRuns: 60 },
  )
})

const { CompressionTypes, CompressionCodecs } = kafkajs
const { GZIP, Snappy, LZ4, ZSTD } = CompressionTypes
test.each([GZIP, Snappy, LZ4, ...(zstdAvailable ? [ZSTD] : [])])(
  '… and compressed with codec %i',
  async (compression) => {
    const codec = CompressionCodecs[compression as 1]()
    await fc.assert(
      fc.asyncProperty(produce, async (given) => {
        const data = { ...given, compression }
        const own = await encodeProduce(data, (buffer) => codec.compress({ buffer }))
        expect(own.equals((await stock(asStock(data)).encode()).buffer)).toBe(true)
      }),
      { numRuns: 30 },
    )
  },
)

test('a header without a value is sent as null, which kafkajs cannot', async () => {
  const record = { key: null, value: null, headers: { none: undefined }, timestamp: 1 }
  const topicData = [{ topic: 't', partitions: [{ partition: 0, messages: [record] }] }]
  const request = await encodeProduce({ acks: -1, timeout: 1, topicData })
  expect(request.subarray(-6).toString('latin1')).toBe('\x08none\x01')
})

test('timestamps of any size keep their difference', async () => {
  const messages = [0, 2 ** 31, 2 ** 52].map((timestamp) => ({ key: null, value: null, headers: undefined, timestamp }))
  const request = await encodeProduce({
    acks: -1,
    timeout: 1,
    topicData: [{ topic: 't', partitions: [{ partition: 0, messages }] }],
  })
  // The varlong of 2^53, the last record's delta in zig-zag, is 2^(7·7+4).
  expect(request.includes(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]))).toBe(true)
})
