/** Producers and consumers that know Millrace only by its topics: Confluent's Avro serializer and deserializer for Python. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, inject, test } from 'vitest'
import { millraceJson, startMillrace } from '../fixtures/cli.js'
import { uniqueName } from '../fixtures/kafka.js'

const records = 50

/** The lines of JSON that a script of python-interop/ prints. The first call installs the client. */
const python = async <T>(script: 'produce' | 'consume', topic: string): Promise<T[]> => {
  const { stdout } = await promisify(execFile)('sh', ['test/promises/python-interop/run.sh', script], {
    env: {
      ...process.env,
      MILLRACE_BROKERS: inject('brokers'),
      MILLRACE_REGISTRY: inject('registry'),
      INTEROP_TOPIC: topic,
      INTEROP_RECORDS: String(records),
      INTEROP_TIMEOUT_SECONDS: '120',
    },
  })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

interface Sent {
  key: string
  label: string
  partition: number
  offset: number
}

interface Read {
  key: string
  partition: number
  value: { topic: string; partition: number; offset: number; model: string; label: string; scores: number[] }
}

test('a record of another Avro client is scored, and that client reads the prediction', {
  timeout: 180_000,
}, async () => {
  const deployment = uniqueName('interop')
  await millraceJson(['topics', 'create', '--deployment', deployment, '--partitions', '3'])
  startMillrace(['run', '--deployment', deployment, '--model', 'digits@2'])
  const sent = await python<Sent>('produce', `${deployment}.input`)
  const read = await python<Read>('consume', `${deployment}.predictions`)

  const origins = (all: { key: string; partition: number; offset: number }[]) =>
    all.map(({ key, partition, offset }) => ({ key, partition, offset })).sort((a, b) => (a.key < b.key ? -1 : 1))
  expect(sent).toHaveLength(records)
  expect(origins(read.map(({ key, value }) => ({ key, ...value })))).toEqual(origins(sent))
  const truth = new Map(sent.map(({ key, label }) => [key, label]))
  for (const { partition, value } of read) {
    expect(value).toMatchObject({ topic: `${deployment}.input`, partition, model: 'digits@2' })
    expect(value.scores).toHaveLength(10)
  }
  const right = read.filter(({ key, value }) => value.label === truth.get(key))
  expect(right.length / records).toBeGreaterThan(0.9)
})
