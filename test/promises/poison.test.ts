import { expect, inject, test } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import { type RejectCode, rejects } from '../../stages/errors.js'
import { createDeployment } from '../fixtures/deployment.js'
import { registerValues } from '../fixtures/digits.js'
import { fragileBytes, fragileSchema, sound, soundScore, storeFragileModel } from '../fixtures/fragile-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/**
 * Only a scorer that gives fewer outputs than rows makes such a prediction, and no bundle with one passes the gates. What misses its
 * deadline is no poison, and goes to a topic of its own.
 */
const notOnTheWire: readonly RejectCode[] = ['not-encodable', 'deadline-missed']

test('poison in a batch goes alone to the dead letters, with its original bytes and its reason', async () => {
  const store = await temporaryDirectory()
  await storeFragileModel(store)
  const deployment = await createDeployment({ partitions: 1 })
  const schemaId = await registerValues(inject('registry'), deployment.topics.input, fragileSchema)
  const whole = frame(schemaId, fragileBytes())
  /** The array of numbers begins after the index: one byte that says how many there are. */
  const countAt = 6
  const bomb = Buffer.concat([
    whole.subarray(0, countAt),
    Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f]),
    whole.subarray(countAt + 1),
  ])
  const poison: Partial<Record<RejectCode, Buffer | null>> = {
    tombstone: null,
    'empty-value': Buffer.alloc(0),
    'not-framed': Buffer.from('{"index": 1}'),
    'unknown-schema': frame(2_000_000_000, fragileBytes()),
    'schema-mismatch': frame(deployment.schemaId, fragileBytes()),
    undecodable: whole.subarray(0, whole.length - 10),
    'trailing-bytes': Buffer.concat([whole, Buffer.from('more')]),
    'allocation-bomb': bomb,
    'field-missing': frame(schemaId, fragileBytes({ maybe: null })),
    'not-a-number': frame(schemaId, fragileBytes({ numbers: [1, Number.NaN, 3] })),
    'shape-mismatch': frame(schemaId, fragileBytes({ numbers: [1, 2] })),
    'out-of-range': frame(schemaId, fragileBytes({ index: 1_000 })),
    'inference-failed': frame(schemaId, fragileBytes({ index: 100 })),
    'too-large': frame(schemaId, fragileBytes({ note: 'long'.repeat(1_000) })),
  }
  expect([...Object.keys(poison), ...notOnTheWire].sort()).toEqual(Object.keys(rejects).sort())

  const values = Object.values(poison).flatMap((bad) => [whole, bad, whole])
  await deployment.send(0, values)
  const worker = await deployment.worker({
    model: 'fragile@1',
    bundles: { directory: store },
    echo: ['note'],
    maxOutputBytes: 2_000,
    batch: { maxDelayMs: 500 },
  })
  await deployment.answered()
  await worker.stop()

  const { items } = deployment.deadLetters
  const isPoison = (_: unknown, offset: number) => offset % 3 === 1
  expect(items.map(({ headers }) => String(headers?.['millrace.error']))).toEqual(Object.keys(poison))
  expect(items.map(({ value }) => value)).toEqual(values.filter(isPoison))
  for (const [index, { key, headers }] of items.entries()) {
    const offset = 3 * index + 1
    expect(String(key)).toBe(`key-${offset}`)
    const said = Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]))
    expect(said).toMatchObject({
      'millrace.reason': expect.stringMatching(/^.{5,500}$/),
      'millrace.topic': deployment.topics.input,
      'millrace.partition': '0',
      'millrace.offset': String(offset),
      'millrace.model': 'fragile@1',
    })
    expect(Date.parse(said['millrace.at']!)).toBeGreaterThan(0)
  }
  const predictions = deployment.predictions.items
  expect(predictions.map(({ offset }) => offset)).toEqual(
    [...values.keys()].filter((offset) => !isPoison(undefined, offset)),
  )
  for (const { scores, echo } of predictions) expect([scores, echo]).toEqual([[soundScore], { note: sound.note }])
  // They were one batch: the poison did not come alone.
  expect(worker.status.pipe.batches).toBe(1)
})
