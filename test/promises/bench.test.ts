import { expect, inject, test } from 'vitest'
import { chart } from '../bench/chart.js'
import { parts, runParts } from '../bench/suite.js'
import { testKafka } from '../fixtures/kafka.js'

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
