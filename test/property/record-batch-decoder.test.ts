import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { decompress } from '../../pipeline/kafka/broker-requests.js'
import { registerCompression, zstdAvailable } from '../../pipeline/kafka/compression.js'
import { internal } from '../../pipeline/kafka/internals.js'
import { attribute, batch } from '../../pipeline/kafka/record-batch.js'
import {
  type AbortedTransaction,
  createRecordReader,
  offsetAfter,
  type RecordReader,
} from '../../pipeline/kafka/record-batch-decoder.js'
import { batchBound, encodeBatch, encodeCompressedBatch } from '../../pipeline/kafka/record-batch-encoder.js'
import { toRecord } from '../../pipeline/kafka/records.js'
import { MillraceError } from '../../stages/errors.js'
import type { OutgoingRecord, SourceRecord } from '../../stages/ports.js'
import { anyRecords } from '../fixtures/record-batches.js'

registerCompression()

/** What producers did to a partition, in order. */
type Deed =
  | { readonly does: 'send'; readonly records: OutgoingRecord[]; readonly codec: number; readonly appendTime: boolean }
  | { readonly does: 'transact'; readonly producer: number; readonly records: OutgoingRecord[]; readonly codec: number }
  | { readonly does: 'commit' | 'abort'; readonly producer: number }

// kafkajs takes any key of four zeros for a marker.
const records = anyRecords
  .map((all) => all.slice(0, 12))
  .filter((all) => all.every(({ key }) => !key?.equals(Buffer.alloc(4))))
const codec = fc.constantFrom(0, 0, 0, 1, 2, 3, ...(zstdAvailable ? [4] : []))
const producer = fc.integer({ min: 1, max: 3 })
const deeds: fc.Arbitrary<Deed[]> = fc.array(
  fc.oneof(
    fc.record({ does: fc.constant('send' as const), records, codec, appendTime: fc.boolean() }),
    fc.record({ does: fc.constant('transact' as const), producer, records, codec }),
    fc.record({ does: fc.constantFrom('commit' as const, 'abort' as const), producer }),
  ),
  { minLength: 1, maxLength: 12 },
)

/** With fields of its own, to be compared. */
const apart = ({ offset, timestamp, key, value, headers }: SourceRecord): SourceRecord => ({
  ...{ offset, timestamp, key, value, headers },
})

const seal = (bytes: Buffer) => bytes.writeUInt32BE(crc32c(bytes.subarray(batch.attributes)), batch.crc)

const marker = (does: 'commit' | 'abort'): OutgoingRecord => ({
  key: Buffer.from([0, 0, 0, does === 'abort' ? 0 : 1]),
  value: Buffer.alloc(6),
  headers: undefined,
  timestamp: 1_700_000_000_000,
})

interface Log {
  readonly bytes: Buffer
  readonly aborted: (AbortedTransaction & { readonly marker: number })[]
  readonly end: number
}

/** The partition as a broker returns it, with all transactions ended. */
const write = async (done: readonly Deed[]): Promise<Log> => {
  const began = new Map<number, number>()
  const aborted: Log['aborted'] = []
  const parts: Buffer[] = []
  let end = 0
  const append = async (all: readonly OutgoingRecord[], id: number, compression: number, flags: number) => {
    const settings = {
      compression,
      transactional: (flags & attribute.transactional) !== 0,
      producerId: BigInt(id),
      producerEpoch: 0,
      firstSequence: 0,
    }
    let bytes: Buffer
    if (compression === 0) {
      const room = Buffer.alloc(batchBound(all))
      bytes = room.subarray(0, encodeBatch(room, 0, all, settings))
    } else {
      const { compress } = kafkajs.CompressionCodecs[compression as 1]()
      bytes = await encodeCompressedBatch(all, settings, (buffer) => compress({ buffer }))
    }
    bytes.writeBigInt64BE(BigInt(end))
    bytes.writeInt16BE(bytes.readInt16BE(batch.attributes) | flags, batch.attributes)
    seal(bytes)
    parts.push(bytes)
    end += all.length
  }
  const open = [1, 2, 3].map((id): Deed => ({ does: 'commit', producer: id }))
  for (const deed of [...done, ...open]) {
    if (deed.does === 'send') await append(deed.records, -1, deed.codec, deed.appendTime ? attribute.logAppendTime : 0)
    else if (deed.does === 'transact') {
      if (!began.has(deed.producer)) began.set(deed.producer, end)
      await append(deed.records, deed.producer, deed.codec, attribute.transactional)
    } else if (began.has(deed.producer)) {
      const firstOffset = began.get(deed.producer)!
      if (deed.does === 'abort') aborted.push({ producerId: BigInt(deed.producer), firstOffset, marker: end })
      began.delete(deed.producer)
      await append([marker(deed.does)], deed.producer, 0, attribute.transactional | attribute.control)
    }
  }
  return { bytes: Buffer.concat(parts), aborted, end }
}

const readAll = async (reader: RecordReader, max: number): Promise<SourceRecord[]> => {
  const all: SourceRecord[] = []
  for (;;) {
    const some = await reader.read(max)
    expect(some.length).toBeLessThanOrEqual(max)
    all.push(...some)
    if (some.length < max) return all
  }
}

/** The broker tells of the transactions whose end a reader from there meets. */
const abortedFrom = ({ aborted }: Log, from: number) => aborted.filter((one) => one.marker >= from)

const read = (log: Log, from: number, max: number) =>
  readAll(createRecordReader(log.bytes, from, abortedFrom(log, from), decompress, 'input 0'), max)

const Decoder = internal<new (bytes: Buffer) => object>('protocol/decoder')!
const decodeMessages = internal<(decoder: object) => Promise<object[]>>('protocol/requests/fetch/v4/decodeMessages')!
type StockBatch = new (topic: string, offset: string, data: object) => { messages: Parameters<typeof toRecord>[0][] }
const KafkaBatch = internal<StockBatch>('consumer/batch')!

/**
 * What kafkajs makes of the same bytes; an empty object of headers is none. From the beginning, because of several aborted transactions that
 * began before the first record it forgets all but one.
 */
const readStock = async (log: Log): Promise<SourceRecord[]> => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(log.bytes.length)
  const messages = await decodeMessages(new Decoder(Buffer.concat([length, log.bytes])))
  const abortedTransactions = log.aborted
    .map(({ producerId, firstOffset }) => ({ producerId: String(producerId), firstOffset: String(firstOffset) }))
    .sort((one, other) => Number(one.firstOffset) - Number(other.firstOffset))
  const data = { partition: 0, highWatermark: '0', abortedTransactions, messages }
  return new KafkaBatch('input', '0', data).messages.map((message) => {
    const record = toRecord(message)
    return Object.keys(record.headers ?? {}).length === 0 ? { ...record, headers: undefined } : record
  })
}

test('what is read of a partition is what kafkajs reads of it, in runs of any length and from any offset', async () => {
  await fc.assert(
    fc.asyncProperty(deeds, fc.nat({ max: 60 }), fc.integer({ min: 1, max: 30 }), async (done, from, max) => {
      const log = await write(done)
      const own = await read(log, from, max)
      expect(own.map(apart)).toEqual((await readStock(log)).filter(({ offset }) => offset >= from))
      expect(offsetAfter(log.bytes)).toBe(log.end === 0 ? undefined : log.end)
    }),
    { numRuns: 80 },
  )
})

test('headers keep their names, whatever JavaScript has of that name, and a null value stays null', async () => {
  const headers = JSON.parse('{"valueOf":"a","__proto__":["b","c"],"none":null}')
  const sent: Deed = { does: 'send', codec: 0, appendTime: false, records: [{ ...marker('commit'), headers }] }
  const [record] = await read(await write([sent]), 0, 1)
  expect(Object.entries(record!.headers!).map(([name, value]) => [name, JSON.parse(JSON.stringify(value))])).toEqual(
    Object.entries(JSON.parse(JSON.stringify(headers))).map(([name, value]) => [name, asBytes(value)]),
  )
})

test('a timestamp from the end of time is read as a number, and can be written again', async () => {
  const sent: Deed = { does: 'send', codec: 0, appendTime: false, records: [marker('commit')] }
  const log = await write([sent])
  for (const time of [2n ** 63n - 1n, -(2n ** 63n)]) {
    log.bytes.writeBigInt64BE(time, batch.baseTimestamp)
    seal(log.bytes)
    const [record] = await read(log, 0, 1)
    expect(record!.timestamp).toBe(time > 0 ? Number.MAX_SAFE_INTEGER : -Number.MAX_SAFE_INTEGER)
    const again: Deed = { ...sent, records: [record!, marker('commit')] }
    expect((await read(await write([again]), 0, 2))[0]!.timestamp).toBe(record!.timestamp)
  }
})

const asBytes = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(asBytes)
  return value === null ? null : Buffer.from(String(value)).toJSON()
}

test('a batch that is cut off at the end of a response is left out, with all after the last whole one', async () => {
  await fc.assert(
    fc.asyncProperty(deeds, fc.double({ min: 0, max: 1, noNaN: true }), async (done, share) => {
      const log = await write(done)
      const cut = { ...log, bytes: log.bytes.subarray(0, Math.floor(log.bytes.length * share)) }
      const next = offsetAfter(cut.bytes) ?? 0
      expect((await read(cut, 0, 100)).map(apart)).toEqual(
        (await read(log, 0, 100)).map(apart).filter(({ offset }) => offset < next),
      )
    }),
    { numRuns: 25 },
  )
})

const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 })

const bare = { key: null, value: null, headers: undefined, timestamp: 1_700_000_000_000 }

test('damaged bytes are an error that says so, or records; never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(deeds, damage, fc.boolean(), async (done, wounds, sealed) => {
      const log = await write(done)
      if (log.bytes.length === 0) return
      const first = batch.leaderEpoch + log.bytes.readInt32BE(batch.length)
      // In the first batch, where its checksum can be made to agree: then it is the parser that has to notice.
      for (const [at, byte] of wounds) log.bytes[batch.attributes + (at % (first - batch.attributes))] = byte
      if (sealed) seal(log.bytes.subarray(0, first))
      try {
        for (const record of await read(log, 0, 50)) expect(record.offset).toBeTypeOf('number')
      } catch (error) {
        expect(error).toBeInstanceOf(MillraceError)
        // Damage may read as zstd, which not every Node has.
        if ((error as MillraceError).code !== 'config-invalid')
          expect(error).toMatchObject({ code: 'batch-corrupt', message: expect.stringContaining('input 0') })
      }
    }),
    {
      numRuns: 120,
      // It reads as a codec that nobody has.
      examples: [
        [
          [{ does: 'transact', producer: 1, records: [bare], codec: 0 }],
          [
            [1, 5],
            [0, 0],
          ],
          true,
        ],
      ],
    },
  )
})
