import avro from 'avsc'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { frame } from '../../../pipeline/avro/framing.js'
import { createMessageCodec } from '../../../pipeline/avro/message-codec.js'
import { readOurSchema } from '../../../pipeline/avro/our-schemas.js'
import { createRegistry } from '../../../pipeline/avro/registry.js'
import {
  claimOf,
  type Fence,
  type Late,
  type ModelCommand,
  type ModelEvent,
  type Prediction,
} from '../../../pipeline/messages.js'
import { uniqueName } from '../../fixtures/kafka.js'

const registry = createRegistry({ url: inject('registry') })
afterAll(() => registry.close())
const codec = createMessageCodec(registry)

const deployment = uniqueName('codec')
const topics = {
  control: `${deployment}.control`,
  events: `${deployment}.events`,
  fences: `${deployment}.fences`,
  late: `${deployment}.late`,
  shadow: `${deployment}.shadow`,
  predictions: `${deployment}.predictions`,
}
let predictionSchemaId: number
beforeAll(async () => {
  predictionSchemaId = (await codec.prepare(topics)).predictionSchemaId
})

const command: ModelCommand = {
  id: 'c1',
  action: 'CANARY',
  model: 'digits@2',
  digest: 'd2',
  percent: 10,
  issuedAt: 1_700_000_000_000,
  issuer: 'me',
  sequence: 4,
  signature: Buffer.from('signed'),
}
const event: ModelEvent = {
  ...{ type: 'activated', worker: 'w1', command: 'c1', model: 'digits@2', digest: 'd2', generation: 5 },
  ...{ code: null, reason: null, at: 1_700_000_000_000 },
}
const fence: Fence = {
  ...{ deployment, topic: 't', partition: 1, generation: 5, offset: 2 ** 40, model: 'digits@1', digest: 'd1' },
  ...{ mode: 'CANARY', candidate: 'digits@2', candidateDigest: 'd2', percent: 10, command: 'c1', worker: 'w1' },
  at: 1_700_000_000_000,
}
const late: Late = {
  ...{ topic: 't', partition: 1, offset: 7, model: 'digits@1', digest: 'd1', generation: 1, stage: 'inference' },
  ...{ deadline: 1_700_000_000_000, missedByMs: 0.25, at: 1_700_000_000_001 },
}
const prediction: Prediction = {
  ...{ topic: 't', partition: 1, offset: 7, model: 'digits@1', digest: 'd1', generation: 1, label: '3' },
  ...{ scores: [0.25, 0.75], values: { margin: [1.5] }, late: false, scoredAt: 1_700_000_000_000, echo: { id: 'a' } },
}

const ours = avro.Type.forSchema(readOurSchema('prediction') as avro.Schema)

test('what is encoded is decoded', async () => {
  expect(await codec.decodeCommand(codec.encodeCommand(command))).toEqual(command)
  expect(await codec.decodeEvent(codec.encodeEvent(event))).toEqual(event)
  expect(await codec.decodeFence(codec.encodeFence(fence))).toEqual(fence)
  const claim = claimOf(fence, 3, 0)
  expect(await codec.decodeFence(codec.encodeFence(claim))).toEqual(claim)
  expect(await codec.decodeLate(codec.encodeLate(late))).toEqual(late)
  expect(await codec.decodePrediction(frame(predictionSchemaId, ours.toBuffer(prediction)))).toEqual(prediction)
})

test('an event that is said before the registry has told the id of its schema is JSON, and is read as the same', async () => {
  const early = createMessageCodec(registry).encodeEvent(event)
  expect(JSON.parse(early.toString())).toEqual(
    Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null)),
  )
  expect(await codec.decodeEvent(early)).toEqual(event)
  const more = Buffer.from(JSON.stringify({ ...event, mood: 'of another release' }))
  expect(await codec.decodeEvent(more)).toEqual(event)
})

test.each(['{"type":', '{"type":"waiting"}', '{"type":"left","worker":"w","at":"now"}'])(
  'what is no event in JSON: record-invalid, in one line: %s',
  async (text) => {
    const failure = await codec.decodeEvent(Buffer.from(text)).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'record-invalid' })
    expect((failure as Error).message).not.toContain('\n')
  },
)

test('the schemas are registered under the names of their topics', async () => {
  for (const topic of Object.values(topics))
    expect(await registry.latest(`${topic}-value`), topic).toMatchObject({ version: 1 })
})

test('what another version of a schema wrote is resolved to ours', async () => {
  const { fields, ...rest } = readOurSchema('prediction') as { fields: { name: string }[] }
  const writer = {
    ...rest,
    fields: [
      { name: 'region', type: 'string' },
      ...fields.filter(({ name }) => name !== 'echo' && name !== 'partition').reverse(),
      { name: 'partition', type: 'int' },
    ],
  }
  const id = await registry.register(`${uniqueName('other')}-value`, writer)
  const value = avro.Type.forSchema(writer as avro.Schema).toBuffer({ ...prediction, region: 'north' })
  expect(await codec.decodePrediction(frame(id, value))).toEqual({ ...prediction, echo: {} })
})

describe('a command in JSON', () => {
  const decode = (value: unknown) => codec.decodeCommand(Buffer.from(JSON.stringify(value)))

  test('needs an action and a model', async () => {
    expect(await decode({ action: 'SWITCH', model: 'digits@2' })).toEqual({
      ...{ id: '', action: 'SWITCH', model: 'digits@2', digest: null, percent: null },
      ...{ issuedAt: 0, issuer: '', sequence: 0, signature: null },
    })
  })

  test('needs no model to speak of what was named before', async () => {
    expect(await decode({ action: 'ROLLBACK' })).toMatchObject({ action: 'ROLLBACK', model: null })
  })

  test('may hold all that Avro holds, the signature in base64', async () => {
    expect(await decode({ ...command, signature: command.signature?.toString('base64') })).toEqual(command)
  })

  test.each<[string, unknown, string]>([
    ['an unknown action', { action: 'JUMP', model: 'a@1' }, 'action'],
    ['no action', { model: 'a@1' }, 'action'],
    ['no model', { action: 'SWITCH' }, 'model: is missing'],
    ['a model without a version', { action: 'SWITCH', model: 'digits' }, 'model: must be name@version'],
    ['a setting that is none', { action: 'SWITCH', model: 'a@1', modell: 'a@2' }, 'modell'],
    ['percent 0', { action: 'CANARY', model: 'a@1', percent: 0 }, 'percent'],
    ['percent 101', { action: 'CANARY', model: 'a@1', percent: 101 }, 'percent'],
    ['a long issuer', { action: 'SWITCH', model: 'a@1', issuer: 'é'.repeat(513) }, 'issuer'],
    ['a prototype', JSON.parse('{"action":"SWITCH","model":"a@1","__proto__":{}}'), '__proto__'],
  ])('%s: command-invalid, in one line', async (_, value, reason) => {
    const failure = await decode(value).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'command-invalid', detail: expect.stringContaining(reason) })
    expect((failure as Error).message).not.toContain('\n')
  })

  test('that is cut off: command-invalid', async () => {
    await expect(codec.decodeCommand(Buffer.from('{"action":'))).rejects.toMatchObject({ code: 'command-invalid' })
  })
})

describe('what is no command', () => {
  test.each<[string, () => Buffer]>([
    ['no bytes', () => Buffer.alloc(0)],
    ['words', () => Buffer.from('SWITCH digits@2')],
    ['more than 64 KiB', () => Buffer.from(`{"issuer":"${'x'.repeat(70_000)}"}`)],
    ['an id that does not exist', () => frame(2_000_000_000, Buffer.from([1, 2]))],
    ['another message of ours', () => codec.encodeEvent(event)],
    ['bytes that are left', () => Buffer.concat([codec.encodeCommand(command), Buffer.from([0])])],
    ['bytes that are missing', () => codec.encodeCommand(command).subarray(0, -1)],
  ])('%s: command-invalid', async (_, value) => {
    await expect(codec.decodeCommand(value())).rejects.toMatchObject({ code: 'command-invalid' })
  })

  test('nor is it encoded', () => {
    expect(() => codec.encodeCommand({ ...command, percent: 200 })).toThrow('percent')
  })
})

test('what is no fence: record-invalid', async () => {
  await expect(codec.decodeFence(codec.encodeLate(late))).rejects.toMatchObject({ code: 'record-invalid' })
})
