import { expect, inject, test } from 'vitest'
import { measureGoodput } from '../chaos/goodput.js'
import { goodputChart } from '../chaos/goodput-chart.js'
import { testKafka } from '../fixtures/kafka.js'
import { roundsPerMs, storeSteadyModels } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/** The short form of `npm run overload:deadlines`. */
test('under three times what can be scored, records with a firm deadline still have predictions in time, and each has an answer', async () => {
  const store = await temporaryDirectory()
  const rounds = Math.round(2 * (await roundsPerMs()))
  await storeSteadyModels(store, rounds)
  const [brokers, registry] = [inject('brokers'), inject('registry')]
  const ground = { brokers, registry, kafka: testKafka(), store, rounds, deadlineMs: 2_000 }
  const { sent, scored, inTime, late, seconds } = await measureGoodput(
    { ...ground, delivery: 'exactly-once' },
    { class: 'firm', perSecond: 1_500, seconds: 5 },
  )
  expect(scored + late).toBe(sent)
  expect(inTime).toBeGreaterThan(0)
  expect(late).toBeGreaterThan(0)
  const lines = [{ name: 'firm', shares: seconds.map(({ inTime }) => inTime / 500) }]
  expect(goodputChart('figures', [{ title: 'of this test', lines }], 'short')).toMatch(/^<svg .*<\/svg>\n$/s)
})
