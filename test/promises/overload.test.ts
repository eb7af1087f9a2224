import { expect, inject, test } from 'vitest'
import { measureGoodput } from '../chaos/goodput.js'
import { account } from '../chaos/goodput-account.js'
import { goodputChart } from '../chaos/goodput-chart.js'
import { faultsOf, overloadWorker, runOverload, type Sample } from '../chaos/overload-run.js'
import { createWorld } from '../chaos/world.js'
import { testKafka, uniqueName } from '../fixtures/kafka.js'
import { roundsPerMs, storeSteadyModels } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/** The short form of `npm run overload`. */
test('a worker with more than it can score keeps its partitions, shows how far it is behind, and stops when it is told to', async () => {
  const [brokers, registry] = [inject('brokers'), inject('registry')]
  const world = await createWorld({
    ...overloadWorker,
    set: [...overloadWorker.set, 'drainTimeoutMs=1000'],
    given: { brokers, registry },
    deployment: uniqueName('overload'),
    delivery: 'at-least-once',
  })
  try {
    const load = { slowBatchSeconds: 2, times: 5, seconds: 4, lookEveryMs: 500, onProgress: () => undefined }
    const { strays, samples } = await runOverload(world, load)
    expect(strays).toEqual([])
    const { lag, sent, scored } = samples.at(-1)!
    expect(scored).toBeLessThan(sent)
    expect(lag).toBeGreaterThan(0)
  } finally {
    await world.close()
  }
})

test.each<[string, (index: number) => Partial<Sample>, RegExp?]>([
  ['passes', () => ({})],
  ['whose memory grows fails', (index) => ({ residentMb: 100 + 10 * index }), /^memory grew from 140 to 170 MB$/],
  ['that is none fails', (index) => ({ scored: 500 * index, lag: 500 * index }), /no overload$/],
  [
    'whose lag goes back fails',
    (index) => ({ lag: index === 5 ? 1 : 800 * index }),
    /^the lag that is shown did not grow$/,
  ],
  ['whose lag is not all of it fails', (index) => ({ lag: 400 * index }), /^a lag of 3200, and 6400 to do$/],
])('an overload %s', (_, change, fault) => {
  const samples = Array.from({ length: 9 }, (_, index) => ({
    ...{ seconds: index, residentMb: 150, lag: 800 * index, sent: 1_000 * index, scored: 200 * index },
    ...change(index),
  }))
  expect(faultsOf({ strays: [], samples })).toEqual(fault ? [expect.stringMatching(fault)] : [])
  expect(faultsOf({ strays: ['another'], samples })).toContain('another')
})

/** The short form of `npm run overload:deadlines`. */
test('under three times what can be scored, records with a firm deadline still have predictions in time, and each has an answer', async () => {
  const store = await temporaryDirectory()
  const rounds = Math.round(2 * (await roundsPerMs()))
  const digests = await storeSteadyModels(store, rounds)
  const [brokers, registry] = [inject('brokers'), inject('registry')]
  const ground = { brokers, registry, kafka: testKafka(), store, digests, rounds, deadlineMs: 2_000 }
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

test('in time is what was read in time, and a miss belongs to a switch when any of the time of its record lies in one', () => {
  const outcome = (written: number, took: number, kind: 'prediction' | 'late' = 'prediction') => ({
    written,
    read: written + took,
    kind,
  })
  const outcomes = [
    outcome(4_000, 50),
    outcome(4_100, 150),
    // The switch begins before its time is over.
    outcome(4_950, 10, 'late'),
    outcome(5_500, 20, 'late'),
    outcome(5_500, 90),
  ]
  const run = { sent: 5, began: 0, ended: 6_000, deadlineMs: 100, switches: [{ asked: 5_000, seen: 5_200 }] }
  expect(account(outcomes, run)).toMatchObject({
    ...{ scored: 3, inTime: 2, late: 2, inTimePerSecond: 1, scoredPerSecond: 1, switchMs: [200, 200] },
    during: { records: 1, missed: 1 },
    otherwise: { records: 4, missed: 2 },
  })
})
