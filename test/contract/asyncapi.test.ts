/** schemas/asyncapi.yaml is valid AsyncAPI, and says of the topics what the sources say. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Parser, type SchemaParser } from '@asyncapi/parser'
import avro from 'avsc'
import { beforeAll, expect, test } from 'vitest'
import { topicNames } from '../../pipeline/config.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'
import { actions } from '../../pipeline/messages.js'

const path = resolve('schemas/asyncapi.yaml')
const avroFormat = 'application/vnd.apache.avro;version=1.9.0'

/** Avro payloads, as avsc reads them. */
const avroParser: SchemaParser = {
  getMimeTypes: () => [avroFormat],
  validate({ data, path }) {
    try {
      avro.Type.forSchema(data as avro.Schema)
      return []
    } catch (error) {
      return [{ message: (error as Error).message, path }]
    }
  },
  parse: ({ data }) => data as never,
}

type Parsed = NonNullable<Awaited<ReturnType<Parser['parse']>>['document']>
let document: Parsed

beforeAll(async () => {
  const parser = new Parser()
  parser.registerSchemaParser(avroParser)
  const parsed = await parser.parse(readFileSync(path, 'utf8'), { source: path })
  expect(parsed.diagnostics.map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([])
  document = parsed.document!
})

test('it is valid', () => {
  expect(document.version()).toBe('3.1.0')
})

test('its channels are the topics of a deployment, under the same names', () => {
  const channels = document.channels().all()
  const addresses = Object.fromEntries(channels.map((channel) => [channel.id(), channel.address()]))
  expect(addresses).toEqual(topicNames('{deployment}'))
})

test('what it states of a topic is what `millrace topics create` makes', () => {
  const names = topicNames('{deployment}')
  for (const { topic, partitions, config } of planTopics(names, { partitions: 7 })) {
    const channel = document
      .channels()
      .all()
      .find((one) => one.address() === topic)!
    const binding = channel.bindings().get('kafka')?.value() ?? {}
    expect(binding.partitions, topic).toBe(partitions === 7 ? undefined : partitions)
    for (const name of ['retention.ms', 'retention.bytes', 'cleanup.policy'])
      expect(binding.topicConfiguration?.[name]?.toString(), `${topic} ${name}`).toBe(config[name])
  }
})

const schemaOf: Readonly<Record<string, string>> = {
  predictions: 'prediction',
  late: 'late',
  shadow: 'shadow',
  events: 'model-event',
  fences: 'fence',
}

test.each(Object.entries(schemaOf))('the payload of %s is schemas/%s.avsc', (id, name) => {
  const [message] = document.channels().get(id)!.messages().all()
  expect(message!.schemaFormat()).toBe(avroFormat)
  const { payload } = message!.json<{ payload: { schema: unknown } }>()
  expect(payload.schema).toMatchObject(JSON.parse(readFileSync(`schemas/${name}.avsc`, 'utf8')))
})

test('events have the same fields in Avro and in JSON', () => {
  const [, inJson] = document.channels().get('events')!.messages().all()
  const { properties } = inJson!.json<{ payload: { properties: object } }>().payload
  const { fields } = JSON.parse(readFileSync('schemas/model-event.avsc', 'utf8'))
  expect(Object.keys(properties)).toEqual(fields.map(({ name }: { name: string }) => name))
})

test('commands have the same actions and fields in Avro and in JSON', () => {
  const messages = document.channels().get('control')!.messages().all()
  const [inAvro, inJson] = messages.map((message) => message.json<{ payload: Record<string, never> }>().payload)
  const schema = JSON.parse(readFileSync('schemas/model-command.avsc', 'utf8'))
  expect(inAvro!.schema).toMatchObject(schema)
  const properties: Record<string, { readonly enum?: readonly string[] }> = inJson!.properties!
  expect(properties.action!.enum).toEqual(actions)
  expect(Object.keys(properties)).toEqual(schema.fields.map(({ name }: { name: string }) => name))
})
