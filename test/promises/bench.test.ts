import { expect, inject, test } from 'vitest'
import { aimsOf } from '../bench/aims.js'
import { timesOf } from '../bench/append-times.js'
import { ratesOf } from '../bench/application.js'
import { chart } from '../bench/chart.js'
import { rowOf } from '../bench/result.js'
import { parts, runParts } from '../bench/suite.js'
import { testKafka } from '../fixtures/kafka.js'

/** The short form of `npm run bench`. */
test('every part of the benchmark suite runs, and says something of what it is for', async () => {
  const rows = await runParts(Object.keys(parts), {
    kafka: testKafka(),
    brokers: inject('brokers'),
    registry: inject('registry'),
    smoke: true,
    rounds: 1,
    onProgress: () => undefined,
  })
  expect(new Set(rows.map(({ part }) => part))).toEqual(new Set(Object.keys(parts)))
  for (const { name, value } of rows) expect(value, name).toSatisfy(Number.isFinite)
  expect(chart('figures', rows, 'of this test')).toMatch(/^<svg .*<\/svg>\n$/s)
})

test('figures are held against what is to be reached, and what was not measured is not spoken of', () => {
  const row = (part: string, name: string, value: number) => rowOf(part, name, [value], '')
  const latency = [row('latency at 2000/s, p99', 'millrace', 8), row('latency at 2000/s, p99', 'java plain', 10)]
  const aims = aimsOf([
    row('w1, steady', 'millrace', 450),
    row('w1, steady', 'java plain', 300),
    row('w1, peak memory', 'millrace', 500),
    ...latency.map((one) => ({ ...one, against: 'java plain' })),
  ])
  expect(aims.map(({ what, value, reached }) => [what, value, reached])).toEqual([
    ['W1 throughput, steady, to java plain', 1.5, 'aim'],
    ['p99 at 2000/s, to the best peer', 0.8, 'must'],
    ['peak memory, W1', 500, 'neither'],
  ])
})

test('records that are appended within one millisecond have a rate; what several processes did by then is not known', () => {
  const atOnce = timesOf(new Map([[1_000, 500]]))
  expect(ratesOf(atOnce, 0)).toEqual({ all: 500_000, steady: 500_000 })
  expect(() => ratesOf(atOnce, 2_000)).toThrow('too few')
  const spread = timesOf(new Map([1_000, 1_010, 1_020, 1_030].map((moment) => [moment, 100])))
  expect(ratesOf(spread, 0)).toEqual({ all: 13_333, steady: 10_000 })
  expect(ratesOf(spread, 1_020).steady).toBe(10_000)
})
