import { lastValueFrom, of, Subject, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import type { BatchCosts } from '../../stages/batch-size.js'
import { fallBack } from '../../stages/fall-back.js'
import { createLeases } from '../../stages/leases.js'
import { missed } from '../../stages/missed.js'
import type { Decoded, Generation, MicroBatch, RecordDecoder } from '../../stages/ports.js'
import { createTurns } from '../../stages/turns.js'
import { withMissed } from '../../stages/with-missed.js'
import { bad, decoded, decodeRecords, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

const now = 10_000
/** The fallback takes a millisecond for any batch, and another one until that is acknowledged. */
const costs = () => ({ likelyMs: () => 1, mostMs: () => 1, afterMs: 1 })
const main = generation(4)
const fast: Generation = { ...generation(4), model: 'fast@1', digest: 'sha256:fast' }
const inTime = now + 2
const tooLate = now + 1

/** A part of so many records, some of them (by index) too late for the model, with these deadlines. */
function partOf(
  partition: number,
  start: number,
  records: Parameters<typeof fetched>[2],
  late: Record<number, number>,
) {
  const part = decoded(fetched(partition, start, records), main)
  return withMissed(
    part,
    new Map(Object.entries(late).map(([index, at]) => [Number(index), missed('admission', at, at + 5)])),
  )
}

interface Run {
  readonly decoder?: RecordDecoder
  readonly costs?: () => BatchCosts
  readonly maxRecords?: number
}

async function run(parts: Decoded[], { decoder = { decode: decodeRecords }, maxRecords = 512, ...over }: Run = {}) {
  const leases = createLeases()
  for (const part of parts) leases.retain(part.generation)
  const turns = createTurns(Number.POSITIVE_INFINITY)
  const limits = () => ({ maxRecords })
  const own = { fallback: () => fast, costs, turns, limits, decoder, leases, scheduler: { now: () => now } as never }
  const batches = await lastValueFrom(of(microBatchOf(...parts)).pipe(fallBack({ ...own, ...over }), toArray()))
  for (const part of batches.flatMap((batch) => batch.parts)) leases.release(part.generation)
  expect(leases.held).toBe(0)
  return batches.map((batch: MicroBatch) => ({
    model: batch.generation.model,
    rows: batch.rows,
    parts: batch.parts.map(({ partition, start, next, rejected, rows, generation: { model } }) => {
      expect([model, rows.count]).toEqual([batch.generation.model, next - start - rejected.size])
      return [partition, start, next, [...rejected].map(([index, { code }]) => `${index} ${code}`)]
    }),
  }))
}

test('what comes first and the model cannot answer in time goes ahead to the fallback; each offset stays in one part', async () => {
  const parts = [
    partOf(0, 0, [0, 1, 2, 3], { 0: inTime, 1: inTime }),
    partOf(1, 10, [10, 11], {}),
    partOf(2, 20, [20, 21], { 0: inTime, 1: inTime }),
  ]
  expect(await run(parts)).toEqual([
    {
      model: 'fast@1',
      rows: 4,
      parts: [
        [0, 0, 2, []],
        [2, 20, 22, []],
      ],
    },
    {
      model: 'digits@4',
      rows: 4,
      parts: [
        [0, 2, 4, []],
        [1, 10, 12, []],
      ],
    },
  ])
})

test('what the fallback cannot answer in time either, or cannot read, keeps its reason', async () => {
  const parts = [partOf(0, 0, [0, bad(1), 2, 3], { 0: tooLate, 2: inTime })]
  expect(await run(parts)).toEqual([
    { model: 'fast@1', rows: 1, parts: [[0, 0, 3, ['0 deadline-missed', '1 undecodable']]] },
    { model: 'digits@4', rows: 1, parts: [[0, 3, 4, []]] },
  ])
  const [only] = await run([partOf(0, 0, [0, 1], { 0: tooLate })])
  expect(only).toEqual({ model: 'digits@4', rows: 1, parts: [[0, 0, 2, ['0 deadline-missed']]] })
})

test('what the fallback cannot read is no bad record: its model could, had there been time', async () => {
  const decoder: RecordDecoder = {
    decode: (records) => decodeRecords(records.map((one) => (one.offset === 1 ? bad(1) : one))),
  }
  expect(await run([partOf(0, 0, [0, 1, 2], { 0: inTime, 1: inTime, 2: inTime })], { decoder })).toEqual([
    { model: 'fast@1', rows: 2, parts: [[0, 0, 3, ['1 deadline-missed']]] },
  ])
})

test('a part that is lost does not keep what comes behind it', async () => {
  const parts = [partOf(0, 0, [0, 1], { 0: tooLate, 1: tooLate }), partOf(0, 2, [2, 3], { 0: inTime, 1: inTime })]
  expect(await run(parts)).toEqual([
    {
      model: 'fast@1',
      rows: 2,
      parts: [
        [0, 0, 2, ['0 deadline-missed', '1 deadline-missed']],
        [0, 2, 4, []],
      ],
    },
  ])
})

/** A millisecond for each record, and two for the batch. */
const perRecord = (): BatchCosts => ({ likelyMs: (rows) => 2 + rows, mostMs: (rows) => 2 + rows, afterMs: 0 })
const within = (ms: number, count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [index, now + ms]))
const offsets = (count: number) => Array.from({ length: count }, (_, index) => index)

test('of more than it can have ready in time the fallback is given as much as it can, in batches of the size that is allowed', async () => {
  const batches = await run([partOf(0, 0, offsets(30), within(10, 30))], { costs: perRecord, maxRecords: 4 })
  expect(batches.map(({ model, rows }) => [model, rows])).toEqual([
    ['fast@1', 4],
    ['fast@1', 2],
    ['digits@4', 0],
  ])
})

test('what it is busy with counts, until that is done', async () => {
  const turns = createTurns(Number.POSITIVE_INFINITY)
  const batches = new Subject<MicroBatch>()
  const models: string[] = []
  const options = { fallback: () => fast, costs: perRecord, limits: () => ({ maxRecords: 512 }), turns }
  const leases = createLeases()
  const rest = { decoder: { decode: decodeRecords }, leases, scheduler: { now: () => now } as never }
  batches.pipe(fallBack({ ...options, ...rest })).subscribe(({ generation: { model }, rows }) => {
    models.push(`${rows} for ${model}`)
  })
  const ask = (start: number) => {
    leases.retain(main)
    batches.next(microBatchOf(partOf(0, start, [start, start + 1, start + 2], within(10, 3))))
  }
  for (const start of [0, 3, 6]) ask(start)
  expect(models).toEqual(['3 for fast@1', '3 for fast@1', '0 for digits@4'])
  turns.give()
  ask(9)
  expect(models.at(-1)).toBe('3 for fast@1')
})

test('nothing overtakes a record of its own partition', async () => {
  const parts = [
    partOf(0, 0, [0, 1], { 1: inTime }),
    partOf(0, 2, [2, 3], { 0: inTime, 1: inTime }),
    partOf(1, 0, [0], {}),
    partOf(1, 1, [1], { 0: inTime }),
  ]
  expect((await run(parts)).map(({ model }) => model)).toEqual(['digits@4'])
})

test('while the fallback waits for a schema, what follows waits behind it', async () => {
  const decoder: RecordDecoder = { decode: async (records) => decodeRecords(records) }
  expect(await run([partOf(0, 0, [0, 1], { 0: inTime })], { decoder })).toEqual([
    { model: 'fast@1', rows: 1, parts: [[0, 0, 1, []]] },
    { model: 'digits@4', rows: 1, parts: [[0, 1, 2, []]] },
  ])
})
