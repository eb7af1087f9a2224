import { afterAll, expect, inject, test } from 'vitest'
import { frame } from '../../../pipeline/avro/framing.js'
import { createRecordEncoder } from '../../../pipeline/avro/record-encoder.js'
import { createRegistry } from '../../../pipeline/avro/registry.js'
import { createValueReader } from '../../../pipeline/avro/value-reader.js'
import { uniqueName } from '../../fixtures/kafka.js'
import { recordSchema } from './decoder-fixture.js'

const registry = createRegistry({ url: inject('registry') })
afterAll(() => registry.close())
const { read } = createValueReader(registry)

const schema = recordSchema(['small', 'long'], ['large', 'long'], ['raw', 'bytes'], ['u', ['null', 'string']])
const value = { small: 5, large: '9007199254740993', raw: 'aGk=', u: 'x' }
const framed = async () => {
  const id = await registry.register(uniqueName('values'), schema)
  return frame(id, createRecordEncoder(schema).encode(value))
}

test('any framed value is read as plain JSON, without a loss', async () => {
  expect(await read(await framed())).toEqual(value)
})

test('what cannot be read says why', async () => {
  const good = await framed()
  const refused = (bytes: Buffer) => read(bytes).catch((error: unknown) => error)
  expect(await refused(Buffer.from('{"a":1}'))).toMatchObject({ code: 'not-framed' })
  expect(await refused(frame(2_000_000_000, Buffer.alloc(1)))).toMatchObject({ code: 'unknown-schema' })
  expect(await refused(good.subarray(0, -1))).toMatchObject({ code: 'undecodable' })
  expect(await refused(Buffer.concat([good, Buffer.alloc(1)]))).toMatchObject({ code: 'trailing-bytes' })
})
