import { expect, test } from 'vitest'
import { createSamples } from '../../pipeline/samples.js'
import type { Encoded } from '../../stages/ports.js'
import { bad, decoded, encodedOf, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

const one = generation(1)
const batchOf = (...records: Parameters<typeof fetched>[2][]) =>
  microBatchOf(...records.map((each, partition) => decoded(fetched(partition, 0, each), one)))
const samplesAt = (at = { now: 0 }) => createSamples({ truth: 'id', now: () => at.now })

test('a prediction is shown with its record, what the model saw, what it said and what is carried along', () => {
  const samples = samplesAt()
  samples.observer.published(encodedOf(batchOf([3, 4], [bad(7), 8])))
  expect(samples.predictions).toEqual([
    {
      partition: 1,
      offset: 8,
      key: 'key 8',
      at: 5_000,
      model: 'digits@1',
      generation: 1,
      label: '8',
      scores: [8],
      input: { shape: [2], values: [8, -8] },
      echo: { id: '8' },
      truth: '8',
    },
  ])
})

test('ten predictions a second are kept at most, the latest of them, newest first', () => {
  const at = { now: 0 }
  const samples = samplesAt(at)
  for (; at.now < 10_000; at.now += 10) samples.observer.published(encodedOf(batchOf([at.now])))
  expect(samples.predictions.map(({ offset }) => offset)).toEqual(Array.from({ length: 24 }, (_, i) => 9_900 - 100 * i))
})

test('where records are not to be shown none is kept', () => {
  const samples = createSamples({ shown: false })
  samples.observer.published(encodedOf(batchOf([2, 3])))
  expect(samples.predictions).toEqual([])
  expect(samples.labels.rows).toBe(2)
})

test('labels and accuracy are those of the last ten seconds', () => {
  const at = { now: 0 }
  const samples = samplesAt(at)
  samples.observer.published(encodedOf(batchOf([1, 2])))
  at.now = 5_000
  const wrong = encodedOf(batchOf([2, 2]))
  const mislabelled = { ...wrong, batch: { ...wrong.batch, outputs: { ...wrong.batch.outputs, labels: ['2', '9'] } } }
  samples.observer.published(mislabelled as Encoded)
  expect(samples.labels).toEqual({
    rows: 4,
    accuracy: 0.75,
    labels: [
      { label: '2', share: 0.5 },
      { label: '1', share: 0.25 },
      { label: '9', share: 0.25 },
    ],
  })
  at.now = 12_000
  expect(samples.labels).toMatchObject({ rows: 2, accuracy: 0.5 })
  at.now = 60_000
  expect(samples.labels).toEqual({ rows: 0, accuracy: null, labels: [] })
})

test('of a large batch a few dozen rows are looked at, spread over its parts', () => {
  const samples = samplesAt()
  const offsets = (from: number) => Array.from({ length: 500 }, (_, i) => from + i)
  samples.observer.published(encodedOf(batchOf(offsets(0), offsets(500))))
  expect(samples.labels.rows).toBeLessThanOrEqual(64)
  expect(samples.labels.rows).toBeGreaterThanOrEqual(32)
})
