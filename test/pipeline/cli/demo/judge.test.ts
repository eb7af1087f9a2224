import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCoverage } from '../../../../pipeline/cli/demo/coverage.js'
import { createJudge } from '../../../../pipeline/cli/demo/judge.js'
import { createLatencies } from '../../../../pipeline/cli/demo/latencies.js'
import { createPace } from '../../../../pipeline/cli/demo/pace.js'
import { createRates, momentMs } from '../../../../pipeline/cli/demo/rates.js'
import type { Prediction } from '../../../../pipeline/messages.js'

const scan = { id: 'scan-1', label: '7', pixels: new Array<number>(64).fill(0) }
const judgeOfOne = (partitions = 1) => createJudge({ byId: new Map([[scan.id, scan]]) }, partitions)

const prediction = (given: Partial<Prediction>): Prediction => ({
  topic: 'input',
  partition: 0,
  offset: 0,
  model: 'digits@1',
  digest: '',
  generation: 1,
  label: '7',
  scores: [0.1, 0.9],
  values: {},
  late: false,
  scoredAt: 0,
  echo: { id: scan.id, label: scan.label },
  ...given,
})

test('coverage counts like a set of offsets does, whatever is repeated, passed over or made up for', () => {
  const answers = fc.array(fc.record({ partition: fc.nat(2), offset: fc.nat(30) }), { maxLength: 200 })
  fc.assert(
    fc.property(answers, (all) => {
      const coverage = createCoverage()
      const seen = new Set<string>()
      for (let partition = 0; partition < 3; partition++) coverage.send(partition, 31)
      for (const { partition, offset } of all) {
        const key = `${partition}/${offset}`
        expect(coverage.answer(partition, offset)).toBe(!seen.has(key))
        seen.add(key)
      }
      expect(coverage).toMatchObject({
        answered: seen.size,
        duplicates: all.length - seen.size,
        open: 3 * 31 - seen.size,
      })
    }),
  )
})

test('a record that is late is neither a prediction nor missing', () => {
  const judge = judgeOfOne()
  judge.sent(0, 3)
  judge.late(0, 1)
  judge.predicted(prediction({}), 1_000, 1_010, 0)
  expect(judge.open).toBe(1)
  expect(judge.figures()).toMatchObject({ sent: 3, predictions: 1, late: 1, missing: 1, duplicates: 0 })
})

test('a duplicate is counted and changes nothing else', () => {
  const judge = judgeOfOne()
  judge.sent(0, 2)
  judge.predicted(prediction({}), 1_000, 1_010, 0)
  judge.predicted(prediction({ label: '1' }), 1_000, 9_000, 5)
  expect(judge.figures()).toMatchObject({
    sent: 2,
    predictions: 2,
    missing: 1,
    duplicates: 1,
    latencyMs: { p50: 10, p99: 10 },
    models: [{ model: 'digits@1', predictions: 1, right: 1 }],
  })
})

test('accuracy is kept for each model, and the last misread scan is remembered', () => {
  const judge = judgeOfOne()
  judge.sent(0, 3)
  judge.predicted(prediction({ offset: 0 }), 0, 0, 0)
  judge.predicted(prediction({ offset: 1, label: '1' }), 0, 0, 0)
  judge.predicted(prediction({ offset: 2, model: 'digits@2', generation: 2 }), 0, 0, 0)
  expect(judge.figures().models).toEqual([
    { model: 'digits@1', predictions: 2, right: 1 },
    { model: 'digits@2', predictions: 1, right: 1 },
  ])
  expect(judge.figures().generations).toBe(2)
  expect(judge.recent).toEqual({ predictions: 3, right: 2 })
  expect(judge.newestMistake).toMatchObject({ label: '1', offset: 1, score: 0.9 })
  expect(judge.newest).toMatchObject({ offset: 2, model: 'digits@2' })
})

test('a gap belongs to the switch from its command until all partitions have the new model and a moment longer', () => {
  const judge = judgeOfOne(2)
  const one = { model: 'digits@1', generation: 1 }
  const two = { model: 'digits@2', generation: 2 }
  const offsets = [0, 0]
  const arrive = (now: number, partition: number, by: typeof one) =>
    judge.predicted(prediction({ partition, offset: offsets[partition]!++, ...by }), 0, 0, now)
  arrive(0, 0, one)
  arrive(40, 1, one)
  judge.switches.begin('digits@1', 'digits@2', 50)
  arrive(70, 0, one)
  expect(judge.switches.pending).toMatchObject({ to: 'digits@2' })
  arrive(80, 0, two)
  arrive(170, 1, two)
  expect(judge.switches.pending).toBeUndefined()
  arrive(670, 0, two)
  arrive(671, 0, two)
  arrive(700, 0, two)
  expect(judge.figures()).toMatchObject({
    steadyGapMs: 40,
    switches: [{ from: 'digits@1', to: 'digits@2', switches: 1, firstAfterMs: 30, allAfterMs: 120, longestGapMs: 500 }],
  })
})

test('a switch that never came through has no figures', () => {
  const judge = judgeOfOne(2)
  judge.switches.begin('digits@1', 'digits@2', 0)
  judge.predicted(prediction({ model: 'digits@2', generation: 2 }), 0, 0, 10)
  expect(judge.figures().switches).toEqual([])
  expect(judge.switches.pending).toMatchObject({ to: 'digits@2' })
})

test('percentiles are those of the sorted values', () => {
  const latencies = createLatencies()
  expect([latencies.recent, latencies.all]).toEqual([undefined, undefined])
  for (let ms = 100; ms >= 1; ms--) latencies.add(ms)
  expect(latencies.recent).toEqual({ p50: 50, p99: 99 })
  expect(latencies.all).toEqual({ p50: 50, p99: 99 })
  for (let count = 0; count < 1_000; count++) latencies.add(7)
  expect(latencies.recent).toEqual({ p50: 7, p99: 7 })
})

test('the rate is that of the moments that are over, with silence among them', () => {
  const rates = createRates()
  for (let at = 0; at < 4 * momentMs; at += 10) rates.add('digits@1', at)
  expect(rates.perSecond(4 * momentMs)).toBe(100)
  expect(rates.perSecond(6 * momentMs)).toBe(50)
  expect(rates.moments(1_000_000 * momentMs).every(({ predictions }) => predictions === 0)).toBe(true)
  expect(rates.perSecond(1_000_000 * momentMs)).toBe(0)
})

test('the pace is kept however the clock is looked at, and a long stop is not made up for', () => {
  const steps = fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 100 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), steps, (perSecond, all) => {
      const pace = createPace(perSecond, 0)
      let [now, sent] = [0, 0]
      for (const step of all) {
        now += step
        sent += pace(now)
      }
      const wanted = (now * perSecond) / 1_000
      expect(sent).toBeGreaterThan(wanted - 1.001)
      expect(sent).toBeLessThanOrEqual(wanted + 0.001)
      expect(pace(now + 60_000)).toBeLessThanOrEqual(perSecond / 5 + 1.001)
    }),
  )
})
