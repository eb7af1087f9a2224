/** Who judges the judges: what the fault suite lets pass is right, and a fault that does not happen, or a stream that stands, does not pass. */
import avro from 'avsc'
import { expect, inject, test, vi } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import { readOurSchema } from '../../pipeline/avro/our-schemas.js'
import { createRegistry } from '../../pipeline/avro/registry.js'
import { createPublisher } from '../../pipeline/kafka/publisher.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import { flow } from '../chaos/cell.js'
import { type FaultName, faults } from '../chaos/faults.js'
import { createRandom, type Random } from '../chaos/random.js'
import { type Findings, judge, verdictOf } from '../chaos/verdict.js'
import type { Watcher } from '../chaos/watcher.js'
import type { WorkerProcess, World } from '../chaos/world.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { readTopic, testBrokers, testKafka } from '../fixtures/kafka.js'

// Two minutes are for a machine on which everything happens at once.
vi.mock('../chaos/until.js', async (original) => {
  const { until } = await original<typeof import('../chaos/until.js')>()
  return { until: (what: string, condition: () => boolean) => until(what, condition, 300) }
})

const worldOf = ({
  name,
  topics,
}: Deployment): Pick<World, 'deployment' | 'topics' | 'kafka' | 'registry' | 'store'> => ({
  deployment: name,
  topics,
  kafka: testKafka(),
  registry: inject('registry'),
  store: 'models/bundles',
})

test('a fault that does nothing fails its cell', async () => {
  const worker = { id: 'w', url: 'http://127.0.0.1:1' } as WorkerProcess
  const nothing = async () => undefined
  const world = {
    ...worldOf(await createDeployment()),
    brokers: testBrokers()[0],
    workers: [worker],
    startWorker: () => worker,
    signalWorker: nothing,
    signalBroker: () => undefined,
    stopRegistry: nothing,
    startRegistry: nothing,
  } as unknown as World
  const random: Random = { next: () => 0, pick: ([first]) => first!, between: (least) => least }
  const scene = { world, watcher: { generation: 0 } as Watcher, random }
  const expected: Partial<Record<FaultName, RegExp>> = {
    terminate: /w in the group/,
    zombie: /w in the group/,
    'broker-pause': /the broker answered while it was stopped/,
    'registry-down': /the registry answered while it was down/,
    'control-flood': /predictions of a new generation/,
    'rebalance-storm': /w in the group/,
    switch: /predictions of a new generation/,
    'inference-crash': /w in the group/,
  }
  await Promise.all(
    Object.entries(expected).map(([name, message]) =>
      expect(faults[name as FaultName](scene), name).rejects.toThrow(message),
    ),
  )
})

test('a stream that stands fails its cell, whichever end of it', async () => {
  let count = 0
  const moving = {
    get acknowledged() {
      return ++count
    },
    get seen() {
      return ++count
    },
  }
  await flow(moving, moving)
  const standing = expect.objectContaining({ message: expect.stringContaining('records in and predictions out') })
  await expect(flow({ acknowledged: 7 }, moving)).rejects.toEqual(standing)
  await expect(flow(moving, { seen: 7 })).rejects.toEqual(standing)
})

test('the same seed draws the same faults again', () => {
  const drawn = (seed: number) => {
    const random = createRandom(seed)
    return Array.from({ length: 50 }, () => random.pick(Object.keys(faults)))
  }
  expect(drawn(7)).toEqual(drawn(7))
  expect(drawn(8)).not.toEqual(drawn(7))
  expect(new Set(drawn(7)).size).toBeGreaterThan(5)
})

const sound: Findings = {
  report: {
    ...{ records: 100, equal: 100, elsewhere: 0, missing: 0, duplicates: 0, unequal: 0 },
    ...{ generations: [1], differences: [] },
  },
  ...{ acknowledged: 100, deadLetters: 0, foreign: 0, stale: 0, beside: { stale: 0, backwards: 0 } },
}
const reporting = (report: Partial<Findings['report']>): Partial<Findings> => ({
  report: { ...sound.report, ...report },
})

test.each<[string, Partial<Findings>, 'always' | 'exactly-once']>([
  ['1 records of the input are gone', { acknowledged: 101 }, 'always'],
  ['1 missing', reporting({ missing: 1 }), 'always'],
  [
    '1 differ: {"partition":0,"offset":3,"kind":"generation","detail":""}',
    {
      ...reporting({ unequal: 1, differences: [{ partition: 0, offset: 3, kind: 'generation', detail: '' }] }),
    },
    'always',
  ],
  ['1 dead letters', { deadLetters: 1 }, 'always'],
  ['1 predictions of records that are not there', { foreign: 1 }, 'always'],
  ['1 duplicates', reporting({ duplicates: 1 }), 'exactly-once'],
  ['1 repeated or out of order', { stale: 1 }, 'exactly-once'],
  ['1 were seen repeated or out of order while it ran', { beside: { stale: 1, backwards: 0 } }, 'exactly-once'],
  ['1 were seen of an older generation than one before them', { beside: { stale: 0, backwards: 1 } }, 'exactly-once'],
])('verdict: %s', (line, change, when) => {
  const findings = { ...sound, ...change }
  expect(verdictOf('exactly-once', findings)).toEqual([line])
  expect(verdictOf('at-least-once', findings)).toEqual(when === 'always' ? [line] : [])
  expect(verdictOf('exactly-once', sound)).toEqual([])
})

test('who reads later finds what was repeated, what nobody asked for, and a dead letter beside its prediction', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const { topics } = deployment
  await deployment.sendDigits(20)
  const worker = await deployment.worker()
  await deployment.answered()
  await worker.stop()
  const world = worldOf(deployment) as World
  const beside = { stale: 0, backwards: 0 }
  expect(verdictOf('exactly-once', await judge(world, 20, beside))).toEqual([])

  const record = (value: Buffer, headers?: OutgoingRecord['headers']) => ({ key: null, value, headers, timestamp: 0 })
  const registry = createRegistry({ url: inject('registry') })
  const { id } = (await registry.latest(`${topics.predictions}-value`))!
  registry.close()
  const type = avro.Type.forSchema(readOurSchema('prediction') as avro.Schema)
  const foreign = frame(id, type.toBuffer({ ...deployment.predictions.items[0]!, offset: 1_000 }))
  const [first] = await readTopic(topics.predictions, 0, 1)
  const publisher = createPublisher({ kafka: testKafka(), topics })
  await publisher.publish([
    { kind: 'predictions', partition: 0, records: [record(first!.value!), record(foreign)] },
    {
      kind: 'deadLetter',
      partition: 0,
      records: [
        record(Buffer.from('x'), { 'millrace.topic': Buffer.from(topics.input), 'millrace.offset': Buffer.from('5') }),
      ],
    },
  ])
  await publisher.close()
  expect(await judge(world, 20, beside)).toMatchObject({
    report: { records: 20, equal: 20, duplicates: 1 },
    ...{ stale: 1, foreign: 1, deadLetters: 1 },
  })
})
