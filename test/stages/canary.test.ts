import { expect, test } from 'vitest'
import { armOf } from '../../stages/canary.js'
import type { Generation, SourceRecord } from '../../stages/ports.js'
import { scoreBatch } from '../../stages/score-batch.js'
import { splitFront } from '../../stages/split-fetched.js'

const generation = (model: string, first: number): Generation => ({
  number: 7,
  model,
  digest: model,
  plan: { readerSchema: {}, inputs: [] },
  // Says of each row what it was given, and who it is.
  scorer: {
    score: async ({ count, columns }) => ({
      count,
      labels: Array.from({ length: count }, () => model),
      scores: Float32Array.from(columns[0] as Float32Array, (value) => value + first),
      scoresWidth: 1,
      values: new Map(),
    }),
    close: async () => undefined,
  },
  retain: () => undefined,
  release: () => undefined,
})
const candidate = generation('candidate', 1_000)
const canary = (percent: number): Generation => ({
  ...generation('stable', 0),
  canary: { generation: candidate, percent },
})
const record = (offset: number, key: string | null): SourceRecord => ({
  offset,
  timestamp: 0,
  key: key === null ? null : Buffer.from(key),
  value: null,
  headers: undefined,
})
const share = (percent: number, records: readonly SourceRecord[]) =>
  records.filter((one) => armOf(canary(percent), 0, one) === candidate).length / records.length

test.each([1, 10, 50, 99])(
  'about %i percent of the keys go to the candidate, whatever the keys look like',
  (percent) => {
    const counted = Array.from({ length: 20_000 }, (_, i) => record(i, `customer-${i}`))
    const numbered = Array.from({ length: 20_000 }, (_, i) => record(i, String(i)))
    const without = Array.from({ length: 20_000 }, (_, i) => record(i, null))
    for (const records of [counted, numbered, without]) expect(share(percent, records) * 100).toBeCloseTo(percent, -0.5)
  },
)

test('a key stays with its model when the share grows, and wherever it is read again', () => {
  const keys = Array.from({ length: 1_000 }, (_, i) => `k${i}`)
  const inCanary = (percent: number, offset: number) =>
    new Set(keys.filter((key) => armOf(canary(percent), offset % 3, record(offset, key)) === candidate))
  const [ten, again, thirty] = [inCanary(10, 0), inCanary(10, 99), inCanary(30, 5)]
  expect(again).toEqual(ten)
  expect([...ten].every((key) => thirty.has(key))).toBe(true)
  expect(thirty.size).toBeGreaterThan(ten.size)
})

test('both models are called once, and every record comes back in its place with its own model', async () => {
  const chosen = canary(50)
  let rest: ReturnType<typeof splitFront>['rest'] = {
    topic: 'in',
    partition: 0,
    start: 0,
    next: 60,
    bytes: 0,
    records: Array.from({ length: 60 }, (_, i) => record(i, `k${i}`)),
  }
  const parts = []
  while (rest) {
    const { run, rest: left } = splitFront(rest, { generation: chosen, until: Number.POSITIVE_INFINITY }, 1_000)
    const columns = [Float32Array.from(run.records, ({ offset }) => offset)]
    parts.push({ ...run, rejected: new Map(), rows: { count: run.records.length, columns }, echo: undefined })
    rest = left
  }
  const scored = await scoreBatch(
    { generation: chosen, parts, rows: 60, closedBy: 'end' },
    () => 5,
    () => false,
  )
  const said = scored.flatMap(({ outputs, parts: own, generation: { model } }) =>
    own
      .flatMap(({ records }) => records)
      .map(({ offset }, i) => [offset, model, outputs.labels![i], outputs.scores[i]]),
  )
  expect(said).toEqual(
    Array.from({ length: 60 }, (_, i) => {
      const { model } = armOf(chosen, 0, record(i, `k${i}`))
      return [i, model, model, model === 'candidate' ? i + 1_000 : i]
    }),
  )
  expect(new Set(said.map(([, model]) => model)).size).toBe(2)
})
