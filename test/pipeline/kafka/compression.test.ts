import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { compress as rawSnappy } from 'snappy'
import { expect, test } from 'vitest'
import { registerCompression, zstdAvailable } from '../../../pipeline/kafka/compression.js'
import { createKafkaSource } from '../../../pipeline/kafka/source.js'
import { createTopic, send, testKafka, uniqueName } from '../../fixtures/kafka.js'
import { startMember } from '../../fixtures/member.js'

const { CompressionTypes, CompressionCodecs } = kafkajs
registerCompression()

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}
const codec = (type: kafkajs.CompressionTypes): Codec => (CompressionCodecs as Record<number, () => Codec>)[type]!()

const codecs = [
  ['gzip', CompressionTypes.GZIP],
  ['snappy', CompressionTypes.Snappy],
  ['lz4', CompressionTypes.LZ4],
  ...(zstdAvailable ? [['zstd', CompressionTypes.ZSTD] as const] : []),
] as const

const readAll = async (topic: string, count: number): Promise<string[]> => {
  const source = createKafkaSource({
    kafka: testKafka(),
    groupId: uniqueName('group'),
    topic,
    sessionTimeoutMs: 10_000,
    drainTimeoutMs: 5_000,
    fetch: { maxBytesPerPartition: 1 << 20, maxWaitMs: 50 },
  })
  const member = startMember(source)
  await Promise.race([member.until(() => member.count() === count), member.finished])
  await source.stop()
  return member.values(0)
}

test.each(codecs)('a topic compressed with %s is read', async (name, type) => {
  const topic = await createTopic(uniqueName(name), 1)
  const values = Array.from({ length: 200 }, (_, index) => `${index} ${'repetition '.repeat(index)}`)
  await send(topic, 0, values.slice(0, 150), type)
  await send(topic, 0, values.slice(150), type)
  expect(await readAll(topic, values.length)).toEqual(values)
})

// The broker compresses by itself what comes in uncompressed: these are the bytes of the Java codecs.
test.each(['gzip', 'snappy', 'lz4', ...(zstdAvailable ? ['zstd'] : [])])(
  'a topic that the broker compresses with %s is read',
  async (name) => {
    const topic = await createTopic(uniqueName(`broker-${name}`), 1, { 'compression.type': name })
    const values = Array.from({ length: 300 }, (_, index) => `${index} ${'again and again '.repeat(40)}`)
    await send(topic, 0, values)
    expect(await readAll(topic, values.length)).toEqual(values)
  },
)

test.each(codecs.slice(1))('%s gives back any bytes', async (_, type) => {
  const { compress, decompress } = codec(type)
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
      fc.integer({ min: 1, max: 20 }),
      async (one, times) => {
        const bytes = Buffer.concat(Array.from({ length: times }, () => Buffer.from(one)))
        expect(await decompress(await compress({ buffer: bytes }))).toEqual(bytes)
      },
    ),
    { numRuns: 40 },
  )
  const long = randomBytes(200_000)
  expect(await decompress(await compress({ buffer: long }))).toEqual(long)
})

test('snappy without framing is read too', async () => {
  const bytes = Buffer.from('librdkafka '.repeat(1_000))
  expect(await codec(CompressionTypes.Snappy).decompress(await rawSnappy(bytes))).toEqual(bytes)
})

if (!zstdAvailable)
  test('zstd on a Node without it ends the source with a line that says what to do', async () => {
    const topic = await createTopic(uniqueName('zstd'), 1, { 'compression.type': 'zstd' })
    await send(topic, 0, ['x'.repeat(1_000)])
    await expect(readAll(topic, 1)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('zstd needs Node 22.15'),
    })
  })

test('a snappy stream whose lengths lead nowhere, or to gigabytes, is refused', async () => {
  const { decompress } = kafkajs.CompressionCodecs[CompressionTypes.Snappy]()
  const stream = (length: number) => {
    const bytes = Buffer.from('82534e415050590000000001000000010000000000', 'hex')
    bytes.writeInt32BE(length, 16)
    return bytes
  }
  for (const length of [-4, 0, 100]) await expect(decompress(stream(length))).rejects.toThrow('snappy block')
  await expect(decompress(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0]))).rejects.toThrow('longer than they can be')
})
