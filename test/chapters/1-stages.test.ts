/**
 * Chapter 1: the stages. Each is an RxJS operator that takes batches and hands on batches. Kafka, Avro and ONNX stand behind ports (plain
 * interfaces), so that here a log in memory, numbers written as text and a model that doubles them do for all three.
 */
import { firstValueFrom, lastValueFrom, map, type Observable, of, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { createMemoryLog } from '../../pipeline/memory-source.js'
import { commit } from '../../stages/commit.js'
import { createCredits } from '../../stages/credits.js'
import { decode } from '../../stages/decode.js'
import { encode } from '../../stages/encode.js'
import { infer } from '../../stages/infer.js'
import { createLeases } from '../../stages/leases.js'
import { microBatch } from '../../stages/micro-batch.js'
import { Reply } from '../../stages/placed-records.js'
import {
  type Assignment,
  type Encoded,
  type Fetched,
  type Generation,
  InferenceError,
  type ModelChoice,
  type Outgoing,
  type PredictionEncoder,
  type Publisher,
  type RecordDecoder,
  type Rejected,
  type Scorer,
  type SourceRecord,
} from '../../stages/ports.js'
import { publish } from '../../stages/publish.js'
import { refund } from '../../stages/refund.js'

// The model: it takes a column of numbers and gives a score for each. It cannot bear 13, and then the whole call fails, as with a real one.
const scorer: Scorer = {
  async score({ count, columns }) {
    const numbers = columns[0] as Float32Array
    if (numbers.includes(13)) throw new InferenceError('13 is too much for me')
    return { count, labels: null, scores: numbers.map((x) => 2 * x), scoresWidth: 1, values: new Map() }
  },
  async close() {},
}

// A generation is a model under a number. `plan` says how a record becomes a row of its tensors: here one float, called x.
const doubling: Generation = {
  number: 1,
  model: 'doubling@1',
  digest: 'none',
  plan: {
    readerSchema: 'float',
    inputs: [{ tensor: 'x', type: 'float32', shape: [], width: 1, fields: [], allowNaN: false }],
  },
  scorer,
  retain() {},
  release() {},
}
const choice: ModelChoice = { choose: () => ({ generation: doubling, until: Number.POSITIVE_INFINITY }) }

// A record that is no number is no error: it is a value, `Rejected`, that rides along with the rest.
const decoder: RecordDecoder = {
  decode(records) {
    const numbers = records.map(({ value }) => Number(value))
    const rejected = new Map<number, Rejected>()
    for (const [index, number] of numbers.entries())
      if (Number.isNaN(number)) rejected.set(index, { code: 'undecodable', reason: 'not a number' })
    const good = numbers.filter((number) => !Number.isNaN(number))
    return { rows: { count: good.length, columns: [Float32Array.from(good)] }, rejected, echo: undefined }
  },
}

const encoder: PredictionEncoder = {
  encode: ({ outputs }, part, firstRow) =>
    part.records
      .filter((_, index) => !part.rejected.has(index))
      .map((input, row) => new Reply(input, Buffer.from(`${outputs.scores[firstRow + row]}`))),
}

const record = (offset: number, text: string): SourceRecord => ({
  offset,
  timestamp: 0,
  key: null,
  value: Buffer.from(text),
  headers: undefined,
})

/** What a source hands on: consecutive records of one partition, which cover the offsets [start, next). */
const fetched = (start: number, ...texts: string[]): Fetched => ({
  topic: 'numbers',
  partition: 0,
  start,
  next: start + texts.length,
  records: texts.map((text, index) => record(start + index, text)),
  bytes: texts.join('').length,
})

const limits = (maxRecords: number) => () => ({ maxRecords, maxBytes: 1_000_000, maxDelayMs: 5 })

test('decode turns records into rows, and keeps what it cannot decode', async () => {
  const leases = createLeases()
  const decoded = await firstValueFrom(of(fetched(0, '1', 'two', '3')).pipe(decode({ choice, decoder, leases })))
  expect(decoded.rows.columns).toEqual([Float32Array.of(1, 3)])
  expect([...decoded.rejected]).toEqual([[1, { code: 'undecodable', reason: 'not a number' }]])
  expect(decoded.generation.model).toBe('doubling@1')
})

test('microBatch gathers records until there are enough of them, whatever runs they came in', async () => {
  const leases = createLeases()
  const runs = of(fetched(0, '1'), fetched(1, '2', '3', '4', '5'))
  const batches = await lastValueFrom(
    runs.pipe(decode({ choice, decoder, leases }), microBatch({ limits: limits(3), leases }), toArray()),
  )
  expect(batches.map(({ rows, closedBy }) => [rows, closedBy])).toEqual([
    [3, 'records'],
    [2, 'end'],
  ])
})

test('infer finds the one record that the model fails on; the others are scored', async () => {
  const leases = createLeases()
  const scored = await firstValueFrom(
    of(fetched(0, '1', '2', '13', '4')).pipe(
      decode({ choice, decoder, leases }),
      microBatch({ limits: limits(4), leases }),
      infer({ concurrency: 1 }),
    ),
  )
  expect([...scored.failed]).toEqual([[2, { code: 'inference-failed', reason: '13 is too much for me' }]])
  expect([0, 1, 3].map((row) => scored.outputs.scores[row])).toEqual([2, 4, 8])
})

test('the whole pipe: from a log to predictions and dead letters, and back to the log with what is done', async () => {
  const log = createMemoryLog('numbers', 1)
  for (const text of ['1', 'two', '3', '13']) log.append(0, { value: Buffer.from(text) })

  const published: Outgoing[] = []
  const publisher: Publisher = { publish: async (outgoing) => void published.push(...outgoing) }
  // Credits bound what may be in the pipe at once. The source takes them, `refund` gives them back.
  const credits = createCredits({ records: 100, bytes: 10_000 })
  const leases = createLeases()

  // One pipe per assignment: it lives exactly as long as this worker owns the partitions.
  const pipe = (assignment: Assignment): Observable<Encoded> =>
    assignment
      .records(credits)
      .pipe(
        decode({ choice, decoder, leases }),
        microBatch({ limits: limits(100), leases }),
        infer({ concurrency: 1 }),
        encode({ encoder, maxRecordBytes: 1_000 }),
        publish({ publisher }),
        commit({ committer: (offsets) => assignment.commit(offsets), everyMs: 1 }),
        refund({ credits, leases }),
      )

  const source = log.createSource({ groupId: 'doublers', drainTimeoutMs: 1_000 })
  const covered = await firstValueFrom(source.open(pipe).pipe(map(({ covered }) => covered)))
  await source.stop()

  expect(covered).toEqual([{ topic: 'numbers', partition: 0, start: 0, next: 4 }])
  const texts = (kind: string) =>
    published.filter((one) => one.kind === kind).flatMap(({ records }) => records.map(({ value }) => String(value)))
  expect(texts('predictions')).toEqual(['2', '6'])
  // Dead letters keep their bytes; the headers say why.
  expect(texts('deadLetter')).toEqual(['two', '13'])
  expect(log.committed('doublers', 0)).toBe(4)
  expect([credits.out, leases.held]).toEqual([{ records: 0, bytes: 0 }, 0])
})
