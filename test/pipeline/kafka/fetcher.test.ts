import { crc32c } from '@node-rs/crc32'
import { afterEach, expect, test } from 'vitest'
import { type OpenAssignment, openAssignment } from '../../../pipeline/assignment.js'
import type { FetchLimits, FetchWanted } from '../../../pipeline/kafka/broker-requests.js'
import type { FetchedBatches } from '../../../pipeline/kafka/fetch-response.js'
import { createFetcher, type FetcherOptions } from '../../../pipeline/kafka/fetcher.js'
import { batch } from '../../../pipeline/kafka/record-batch.js'
import { batchBound, encodeBatch } from '../../../pipeline/kafka/record-batch-encoder.js'
import { createCredits } from '../../../stages/credits.js'
import type { Fetched } from '../../../stages/ports.js'

const topic = 'input'
const assignments: OpenAssignment[] = []
afterEach(async () => {
  await Promise.all(assignments.splice(0).map((assignment) => assignment.close(0)))
})

/** A batch of records from `base` on, as a broker has it. */
const batchOf = (base: number, count: number): Buffer => {
  const records = Array.from({ length: count }, (_, index) => ({
    key: null,
    value: Buffer.from(`v${base + index}`),
    headers: undefined,
    timestamp: 1_700_000_000_000,
  }))
  const settings = { compression: 0, transactional: false, producerId: -1n, producerEpoch: 0, firstSequence: 0 }
  const room = Buffer.alloc(batchBound(records))
  const bytes = room.subarray(0, encodeBatch(room, 0, records, settings))
  bytes.writeBigInt64BE(BigInt(base))
  return bytes
}

const answer = (partition: number, bytes: Buffer, errorCode = 0): FetchedBatches => ({
  topic,
  partition,
  errorCode,
  aborted: [],
  bytes,
})

/** A broker whose logs are batches of ten records up to `ends`. */
const createBroker = (ends: Record<number, number>) => {
  const asked: { readonly partitions: number[]; readonly maxWaitMs: number }[] = []
  const fetch = async (wanted: readonly FetchWanted[], { maxWaitMs }: FetchLimits) => {
    asked.push({ partitions: wanted.map(({ partition }) => partition), maxWaitMs })
    return wanted.map(({ partition, offset }) =>
      answer(partition, offset < ends[partition]! ? batchOf(offset, 10) : Buffer.alloc(0)),
    )
  }
  return { asked, fetch }
}

const start = (partitions: readonly number[], records: number, settings: Partial<FetcherOptions> = {}) => {
  const credits = createCredits({ records, bytes: 1 << 20 })
  const runs: Fetched[] = []
  let happened: () => void = () => undefined
  const assignment = openAssignment({
    epoch: 1,
    partitions: partitions.map((partition) => ({ topic, partition })),
    pipe: (given) => given.records(credits),
    commit: async () => undefined,
    onValue: (run) => {
      runs.push(run)
      happened()
    },
    onError: (error) => {
      throw error
    },
  })
  assignments.push(assignment)
  const fetcher = createFetcher({
    topic,
    assignment,
    maxRecordsPerRun: 10,
    limits: { maxBytesPerPartition: 1 << 20, maxBytes: 1 << 20, maxWaitMs: 250 },
    idleMs: 20,
    positions: async () => new Map(partitions.map((partition) => [partition, 0])),
    afterLoss: async () => 0,
    onLost: () => undefined,
    ...settings,
  })
  const until = async (count: number) => {
    while (runs.length < count)
      await new Promise<void>((resolve) => {
        happened = resolve
      })
  }
  return { fetcher, credits, runs, until }
}

test('a partition whose records wait is not asked for more, and keeps no other from being asked', async () => {
  const { fetcher, credits, runs, until } = start([0, 1], 10)
  await credits.take(10, 0)
  const { asked, fetch } = createBroker({ 0: 1_000, 1: 0 })
  for (let round = 0; round < 4; round++) await fetcher.round([0, 1], fetch)
  expect(asked.map(({ partitions }) => [...partitions].sort())).toEqual([[0, 1], [0, 1], [1], [1]])
  // Only a fetch of all may wait at the broker.
  expect(asked.map(({ maxWaitMs }) => maxWaitMs)).toEqual([250, 250, 0, 0])
  credits.refund(10, 0)
  await until(1)
  expect(runs[0]).toMatchObject({ partition: 0, start: 0, next: 10 })
})

test('no more waits than the limit; what is handed on makes room', async () => {
  const size = batchOf(0, 10).length
  const limits = { maxBytesPerPartition: 1 << 20, maxBytes: size, maxWaitMs: 250 }
  const { fetcher, credits, until } = start([0, 1, 2], 10, { limits, idleMs: 10_000 })
  await credits.take(10, 0)
  const { asked, fetch } = createBroker({ 0: 1_000, 1: 0, 2: 0 })
  await fetcher.round([0, 1, 2], fetch)
  const full = fetcher.round([0, 1, 2], fetch)
  expect(asked).toHaveLength(1)
  credits.refund(10, 0)
  await until(1)
  await full
  await fetcher.round([0, 1, 2], fetch)
  expect(asked).toHaveLength(2)
})

test('runs are as long as they may be, join without gaps, and partitions take turns', async () => {
  const { fetcher, runs, until } = start([0, 1], 10_000, { maxRecordsPerRun: 4 })
  const { fetch } = createBroker({ 0: 20, 1: 10 })
  for (let round = 0; round < 3; round++) await fetcher.round([0, 1], fetch)
  await until(9)
  const of = (partition: number) => runs.filter((run) => run.partition === partition)
  for (const partition of [0, 1]) {
    let at = 0
    for (const run of of(partition)) {
      expect(run.start).toBe(at)
      expect(run.records.map(({ offset }) => offset)).toEqual(run.records.map((_, index) => at + index))
      at = run.next
    }
    expect(at).toBe(partition === 0 ? 20 : 10)
  }
  expect(runs.slice(0, 4).map(({ partition }) => partition)).toEqual([0, 1, 0, 1])
})

test('the event loop turns while much is handed on', async () => {
  const { fetcher, runs, until } = start([0], 100_000, { maxRecordsPerRun: 2_048 })
  await fetcher.round([0], async () => [])
  await fetcher.round([0], async () => [answer(0, batchOf(0, 40_960))])
  await until(1)
  await new Promise(setImmediate)
  expect(runs.length).toBeLessThan(20)
  await until(20)
})

test('an answer that comes twice counts once', async () => {
  const { fetcher, runs, until } = start([0], 1_000)
  const { fetch } = createBroker({ 0: 10 })
  await fetcher.round([0], async () => [])
  await Promise.all([fetcher.round([0], fetch), fetcher.round([0], fetch)])
  await fetcher.round([0], fetch)
  await until(1)
  expect(runs).toHaveLength(1)
})

test('offsets that are gone are said and skipped; a log that went back is an error', async () => {
  const lost: unknown[] = []
  let first = 40
  const { fetcher, runs, until } = start([0], 1_000, {
    afterLoss: async () => first,
    onLost: (_, from, to) => void lost.push([from, to]),
  })
  const gone = async () => [answer(0, Buffer.alloc(0), 1)]
  const { fetch } = createBroker({ 0: 60 })
  await fetcher.round([0], gone)
  await fetcher.round([0], fetch)
  await until(1)
  expect(lost).toEqual([[0, 40]])
  expect(runs[0]).toMatchObject({ start: 40, next: 50 })
  first = 0
  await expect(fetcher.round([0], gone)).rejects.toThrow('went back behind offset 50')
})

test('what the broker answers for a partition is thrown as kafkajs would', async () => {
  const { fetcher } = start([0], 10)
  const moved = async () => [answer(0, Buffer.alloc(0), 6)]
  await expect(fetcher.round([0], moved)).rejects.toMatchObject({ type: 'NOT_LEADER_FOR_PARTITION' })
})

test('a damaged batch is met once and not tried again: the member starts over', async () => {
  const { fetcher } = start([0], 10)
  const bytes = batchOf(0, 10)
  bytes[batch.records] = 0x7f
  bytes.writeUInt32BE(crc32c(bytes.subarray(batch.attributes)), batch.crc)
  await fetcher.round([0], async () => [answer(0, bytes)])
  const failed = async () => {
    for (;;) await fetcher.round([0], async () => [])
  }
  await expect(failed()).rejects.toMatchObject({
    code: 'batch-corrupt',
    retriable: false,
    message: expect.stringContaining('input 0, in the fetch from offset 0'),
  })
  await expect(fetcher.round([0], async () => [answer(0, bytes.subarray(0, 70))])).rejects.toMatchObject({
    code: 'batch-corrupt',
  })
})
