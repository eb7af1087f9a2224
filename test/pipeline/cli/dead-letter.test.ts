import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import type { Headers } from '../../../stages/ports.js'
import { millrace, millraceJson, startMillrace } from '../../fixtures/cli.js'
import { createDeployment } from '../../fixtures/deployment.js'
import { digitRecord } from '../../fixtures/digits.js'
import { readTopic, send, testKafka, uniqueName } from '../../fixtures/kafka.js'

/** Dead letters as a worker writes them. */
const sendLetters = async (
  topic: string,
  partition: number,
  letters: readonly { value: Buffer | string; headers: Record<string, string> }[],
) => {
  const producer = testKafka().producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  await producer.send({ topic, messages: letters.map((letter) => ({ ...letter, partition })) })
  await producer.disconnect()
}

const lines = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

test('what could not be scored is listed with its reason, counted, and sent again as it was', async () => {
  const deployment = uniqueName('dead')
  const environment = { MILLRACE_DEPLOYMENT: deployment }
  await millraceJson(['topics', 'create', '--partitions', '1'], { environment })
  await millraceJson(['produce', 'models/data/digits.jsonl', '--limit', '1'], { environment })
  await millraceJson(['produce', '--key', 'id'], { environment, input: '{"id":"short","pixels":[1,2],"label":null}' })
  await send(`${deployment}.input`, 0, ['no Avro at all'])
  const worker = startMillrace(['run', '--model', 'digits@1'], { environment })
  const listing = startMillrace(['dead-letter', 'list', '--follow', '--json'], { environment })
  await listing.printed(/shape-mismatch[\s\S]*not-framed[^\n]*\n/)

  const replayed = await millraceJson(['dead-letter', 'replay', '--code', 'shape-mismatch'], { environment })
  expect(replayed).toMatchObject({ records: 1, foreign: 0 })
  await listing.printed(/not-framed[\s\S]*shape-mismatch[^\n]*\n/)
  const [first, second, third] = lines((await listing.interrupt()).stdout)
  expect(first).toMatchObject({
    code: 'shape-mismatch',
    topic: `${deployment}.input`,
    partition: 0,
    offset: 1,
    model: 'digits@1',
    key: 'short',
    value: { id: 'short', pixels: [1, 2] },
  })
  expect(second).toMatchObject({ code: 'not-framed', offset: 2, value: 'no Avro at all' })
  const provenance = {
    'millrace.replay.of': `${deployment}.dead-letter/0/0`,
    'millrace.replay.input': `${deployment}.input/0/1`,
    'millrace.replay.at': expect.stringMatching(/Z$/),
  }
  const { headers: _, ...same } = first!
  expect(third).toMatchObject({ ...same, offset: 3, at: expect.any(String) })
  const input = await readTopic(`${deployment}.input`, 0, 4)
  expect(input[3]!.value!.equals(input[1]!.value!)).toBe(true)
  expect(texts(input[3]!.headers)).toEqual(provenance)

  const again = await millraceJson(['dead-letter', 'replay', '--code', 'shape-mismatch', '--dry-run'], { environment })
  // The record failed again: its new letter may go back too, the old one not.
  expect(again).toMatchObject({ records: 1, already: 1, dryRun: true })

  const letter = await millraceJson(['dead-letter', 'show', '0/3'], { environment })
  expect(letter).toMatchObject({
    code: 'shape-mismatch',
    letter: `${deployment}.dead-letter/0/2`,
    letters: 1,
    replayOf: `${deployment}.dead-letter/0/0`,
    key: 'short',
    value: { id: 'short', pixels: [1, 2] },
    hex: input[1]!.value!.toString('hex'),
  })
  const person = await millrace(['dead-letter', 'show', '0/2'], { environment })
  expect(person.stdout).toMatch(/code +not-framed\n/)
  expect(person.stdout).toContain('00000000  6e 6f 20 41 76 72 6f 20  61 74 20 61 6c 6c        |no Avro at all|\n')
  const none = await millrace(['dead-letter', 'show', '0/0'], { environment })
  expect([none.code, none.stderr]).toEqual([1, expect.stringMatching(/^millrace: there is no such dead letter: /)])

  const counted = await millraceJson(['dead-letter', 'list', '--count'], { environment })
  expect(counted).toMatchObject({
    counts: [
      { code: 'shape-mismatch', count: 2 },
      { code: 'not-framed', count: 1 },
    ],
  })
  const some = async (...filter: string[]) =>
    lines((await millrace(['dead-letter', 'list', '--json', ...filter], { environment })).stdout).map(
      ({ code }) => code,
    )
  expect(await some('--code', 'not-framed', '--since', '1h')).toEqual(['not-framed'])
  expect(await some('--since', '2999-01-01')).toEqual([])
  const shown = await millrace(['dead-letter', 'list', '--last', '1'], { environment })
  expect(shown.stdout).toMatch(/^when .*\n\S+Z +0\/3 +digits@1 +shape-mismatch +\S.*\n$/)
  expect((await worker.interrupt()).code).toBe(0)
})

const texts = (headers: Headers | undefined) =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]))

test('a record that is replayed goes back with where it comes from, and its prediction says so too', async () => {
  const deployment = await createDeployment({ partitions: 2 })
  const { topics, name } = deployment
  await deployment.send(1, [digitRecord(2_000_000_000, 0)])
  const worker = await deployment.worker()
  await deployment.deadLetters.until((all) => all.length === 1)
  await worker.stop()
  // As if the registry had not known the schema: now it does.
  const { headers } = deployment.deadLetters.items[0]!
  await sendLetters(topics.deadLetter, 1, [
    { value: digitRecord(deployment.schemaId, 0), headers: { ...texts(headers), trace: 'x' } },
  ])
  const environment = { MILLRACE_DEPLOYMENT: name }
  const since = ['--since', '1h', '--code', 'unknown-schema']
  expect(await millraceJson(['dead-letter', 'replay', ...since], { environment })).toMatchObject({ records: 2 })
  expect(await millraceJson(['dead-letter', 'replay', ...since], { environment })).toMatchObject({
    records: 0,
    already: 2,
  })
  const old = await millraceJson(['dead-letter', 'replay', '--since', '2999-01-01', '--dry-run'], { environment })
  expect(old).toMatchObject({ records: 0, already: 0 })
  await deployment.worker()
  await deployment.predictions.until((all) => all.length === 1)
  const [prediction] = await readTopic(topics.predictions, 1, 1)
  expect(texts(prediction!.headers)).toMatchObject({
    trace: 'x',
    'millrace.replay.of': `${topics.deadLetter}/1/1`,
    'millrace.replay.input': `${topics.input}/1/0`,
  })
})

test('a replay that is killed, run twice at once and run again sends every record once', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const { topics, name } = deployment
  const count = 6_000
  await deployment.send(0, [Buffer.from('what they were once')])
  await sendLetters(
    topics.deadLetter,
    0,
    Array.from({ length: count }, (_, index) => ({
      value: `record ${index}`,
      headers: {
        'millrace.error': 'not-framed',
        'millrace.topic': topics.input,
        'millrace.partition': '0',
        'millrace.offset': '0',
      },
    })),
  )
  const environment = { MILLRACE_DEPLOYMENT: name }
  const killed = startMillrace(['dead-letter', 'replay'], { environment })
  await readTopic(topics.input, 0, 2)
  killed.child.kill('SIGKILL')
  await killed.finished
  const both = await Promise.all([1, 2].map(() => millrace(['dead-letter', 'replay'], { environment })))
  for (const { code, stderr } of both) if (code !== 0) expect(stderr).toMatch(/another replay of this deployment/)
  const last = await millraceJson(['dead-letter', 'replay'], { environment })
  expect(Number(last.records) + Number(last.already)).toBe(count)
  const [, ...input] = await readTopic(topics.input, 0, count + 1)
  const places = new Map<string, number[]>()
  for (const { value, offset } of input) places.set(String(value), [...(places.get(String(value)) ?? []), offset])
  expect([...places].filter(([, offsets]) => offsets.length > 1)).toEqual([])
  expect(places.size).toBe(count)
  const nothing = await millraceJson(['dead-letter', 'replay', '--dry-run'], { environment })
  expect(nothing).toMatchObject({ records: 0, already: count })
})

test('a code that does not exist is misuse', async () => {
  const { code, stderr } = await millrace(['dead-letter', 'list', '--code', 'shape', '--deployment', 'd'])
  expect([code, stderr]).toEqual([2, expect.stringMatching(/there is no code shape; there are tombstone, /)])
})
