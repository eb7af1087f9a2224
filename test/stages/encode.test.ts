import { firstValueFrom, of } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import { describe, expect, it } from 'vitest'
import { encode } from '../../stages/encode.js'
import { missed } from '../../stages/missed.js'
import { Reply } from '../../stages/placed-records.js'
import type { Headers, LateEncoder, OutputKind, PredictionEncoder, Rejected, Scored } from '../../stages/ports.js'
import {
  bad,
  decoded,
  encoder,
  fetched,
  generation,
  microBatchOf,
  plain,
  record,
  scoredOf,
  topic,
} from '../fixtures/stage-values.js'

const one = generation(1)
const run = (scored: Scored, options: Partial<Parameters<typeof encode>[0]> = {}) =>
  firstValueFrom(of(scored).pipe(encode({ encoder, maxRecordBytes: 1_000, ...options })))

async function shown(scored: Scored, options: Partial<Parameters<typeof encode>[0]> = {}) {
  const { outgoing } = await run(scored, options)
  return outgoing.map(({ kind, partition, records }) => [kind, partition, records.map(({ value }) => String(value))])
}
const lettersOf = async (
  scored: Scored,
  options: Partial<Parameters<typeof encode>[0]> = {},
  kind: OutputKind = 'deadLetter',
) => (await run(scored, options)).outgoing.filter((group) => group.kind === kind).flatMap((group) => group.records)

describe('encode', () => {
  it('answers in the same frame, one value for one', () => {
    new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(({ cold, expectObservable }) => {
      const a = scoredOf(microBatchOf(decoded(fetched(0, 0, [0]), one)))
      const outgoing = [
        { kind: 'predictions', partition: 0, records: [new Reply(a.parts[0]!.records[0]!, Buffer.from('score 0'))] },
      ]
      const b = {
        batch: a,
        outgoing,
        covered: [{ topic, partition: 0, start: 0, next: 1 }],
        records: 1,
        bytes: a.parts[0]!.bytes,
      }
      expectObservable(cold('-a-a|', { a }).pipe(encode({ encoder, maxRecordBytes: 100 }))).toBe('-b-b|', {
        b,
      } as never)
      expectObservable(cold<Scored>('-#').pipe(encode({ encoder, maxRecordBytes: 100 }))).toBe('-#')
    })
  })

  it('groups by topic and partition, in input order', async () => {
    const parts = [
      decoded(fetched(0, 0, [0, bad(1), 2]), one),
      decoded(fetched(1, 5, [5, bad(6)]), one),
      decoded(fetched(0, 3, [3, bad(4)]), one),
    ]
    expect(await shown(scoredOf(microBatchOf(...parts)))).toEqual([
      ['predictions', 0, ['score 0', 'score 2', 'score 3']],
      ['predictions', 1, ['score 5']],
      ['deadLetter', 0, ['bad 1', 'bad 4']],
      ['deadLetter', 1, ['bad 6']],
    ])
  })

  it('keeps key, timestamp, headers and partition of the input', async () => {
    const headers: Headers = { traceparent: '00-abc-def-01', tag: [Buffer.from('x'), 'y'] }
    const input = record(4, { headers, key: null })
    const scored = scoredOf(microBatchOf(decoded(fetched(3, 4, [input]), one)))
    const { outgoing } = await run(scored)
    expect(outgoing.map((group) => ({ ...group, records: group.records.map(plain) }))).toEqual([
      {
        kind: 'predictions',
        partition: 3,
        records: [{ key: null, value: Buffer.from('score 4'), headers, timestamp: 1_004 }],
      },
    ])
  })

  it('makes a dead letter with the original bytes and where it came from', async () => {
    const input = record(7, { value: Buffer.from('bad bytes'), headers: { traceparent: 't' } })
    const [letter] = await lettersOf(scoredOf(microBatchOf(decoded(fetched(2, 7, [input]), one))))
    expect(letter).toEqual({
      key: input.key,
      value: input.value,
      timestamp: input.timestamp,
      headers: {
        traceparent: 't',
        'millrace.error': 'undecodable',
        'millrace.reason': 'bad 7',
        'millrace.topic': topic,
        'millrace.partition': '2',
        'millrace.offset': '7',
        'millrace.model': 'digits@1',
        'millrace.at': '1970-01-01T00:00:05.000Z',
      },
    })
    expect(letter!.value).toBe(input.value)
  })

  it('keeps a null value null in a dead letter, and a reason on one short line', async () => {
    const part = decoded(fetched(0, 0, [record(0, { value: null })]), one)
    const rejected = new Map<number, Rejected>([[0, { code: 'tombstone', reason: `two\nlines ${'x'.repeat(1_000)}` }]])
    const tombstone = { ...part, rejected, rows: { count: 0, columns: [] } }
    const [letter] = await lettersOf({ ...scoredOf(microBatchOf(part)), parts: [tombstone], rows: 0 })
    expect(letter!.value).toBeNull()
    expect(letter!.headers!['millrace.reason']).toMatch(/^two lines x+…$/)
    expect(String(letter!.headers!['millrace.reason'])).toHaveLength(500)
  })

  it('sends rows that the model failed on to the dead letters', async () => {
    const failed = new Map<number, Rejected>([[2, { code: 'inference-failed', reason: 'no' }]])
    const parts = [decoded(fetched(0, 0, [0, bad(1), 2]), one), decoded(fetched(1, 5, [5, 6]), one)]
    expect(await shown(scoredOf(microBatchOf(...parts), failed))).toEqual([
      ['predictions', 0, ['score 0', 'score 2']],
      ['predictions', 1, ['score 6']],
      ['deadLetter', 0, ['bad 1']],
      ['deadLetter', 1, ['value 5']],
    ])
  })

  it('sends what missed a firm deadline to the late topic, with when that was found, before or after the model, and covers it with its neighbours', async () => {
    const part = decoded(fetched(0, 0, [0, 1, 2]), one)
    const missedAt = (stage: 'admission' | 'inference') => missed(stage, 1_000, 1_250)
    const batch = microBatchOf({
      ...part,
      rejected: new Map([[0, missedAt('admission')]]),
      rows: { ...part.rows, count: 2 },
    })
    const scored = { ...scoredOf(batch), failed: new Map([[1, missedAt('inference')]]) }
    const lateEncoder: LateEncoder = {
      encode: ({ offset }, _, { stage, deadline, missedByMs }, at) =>
        Buffer.from([offset, stage, deadline, missedByMs, at].join()),
    }
    expect(await shown(scored, { lateEncoder })).toEqual([
      ['predictions', 0, ['score 0']],
      ['late', 0, ['0,admission,1000,250,5000', '2,inference,1000,250,1250']],
    ])
    expect((await run(scored, { lateEncoder })).covered).toEqual([{ topic, partition: 0, start: 0, next: 3 }])
  })

  it('sends what cannot be encoded or is too large to the dead letters, with its code', async () => {
    const picky: PredictionEncoder = {
      encode: (_, { records }) => [
        { code: 'not-encodable', reason: 'scores are no numbers' },
        new Reply(records[1]!, Buffer.alloc(90)),
        new Reply(records[2]!, Buffer.alloc(95)),
      ],
    }
    const scored = scoredOf(microBatchOf(decoded(fetched(0, 0, [0, 1, 2]), one)))
    const letters = await lettersOf(scored, { encoder: picky, maxRecordBytes: 95 })
    expect(letters.map(({ headers }) => headers!['millrace.error'])).toEqual(['not-encodable', 'too-large'])
    expect(letters.map(({ headers }) => headers!['millrace.offset'])).toEqual(['0', '2'])
    expect(String(letters[1]!.value)).toBe('value 2')
  })

  it('counts headers towards the size of a prediction', async () => {
    const input = record(0, { key: null, headers: { a: 'x'.repeat(50), b: [Buffer.alloc(10), 'yy'], c: undefined } })
    const scored = scoredOf(microBatchOf(decoded(fetched(0, 0, [input]), one)))
    const size = 'score 0'.length + 51 + 11 + 3 + 1
    expect(await lettersOf(scored, { maxRecordBytes: size })).toHaveLength(0)
    expect(await lettersOf(scored, { maxRecordBytes: size - 1 })).toHaveLength(1)
  })

  it('covers what the parts cover, joined where they touch, and counts records and bytes for the refund', async () => {
    const parts = [
      decoded(fetched(0, 0, [0, 1]), one),
      decoded(fetched(1, 4, [], 9), one),
      decoded(fetched(0, 2, [4]), one),
      decoded(fetched(0, 8, [9]), one),
    ]
    const encoded = await run(scoredOf(microBatchOf(...parts)))
    expect(encoded.covered).toEqual([
      { topic, partition: 0, start: 0, next: 5 },
      { topic, partition: 1, start: 4, next: 9 },
      { topic, partition: 0, start: 8, next: 10 },
    ])
    expect([encoded.records, encoded.bytes]).toEqual([4, parts.reduce((bytes, part) => bytes + part.bytes, 0)])
  })

  it('errors when the encoder throws', async () => {
    const broken: PredictionEncoder = {
      encode: () => {
        throw new Error('no schema')
      },
    }
    await expect(run(scoredOf(microBatchOf(decoded(fetched(0, 0, [0]), one))), { encoder: broken })).rejects.toThrow(
      'no schema',
    )
  })
})
