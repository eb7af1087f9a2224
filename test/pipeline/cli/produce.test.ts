import { createReadStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parse } from 'csv-parse'
import { expect, test } from 'vitest'
import { millrace, millraceJson, startMillrace } from '../../fixtures/cli.js'
import { createTopic, uniqueName } from '../../fixtures/kafka.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

interface Produced {
  records: number
  bad: number
  badLines: { line: number; problem: string }[]
  schema: { subject: string; id: number; origin: string }
  leftOut: string[]
  interrupted: boolean
}
interface Consumed {
  partition: number
  offset: number
  key: string | null
  value: Record<string, unknown>
}

const consumed = async (topic: string): Promise<Consumed[]> => {
  const { code, stdout, stderr } = await millrace(['consume', '--topic', topic])
  if (code !== 0) throw new Error(stderr)
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
const byId = (records: readonly Record<string, unknown>[]) =>
  records.toSorted((one, other) => (String(one.id) < String(other.id) ? -1 : 1))

test('JSON lines come out as they went in: all scans, with their keys, in all partitions', async () => {
  const topic = await createTopic(uniqueName('digits'), 3)
  const file = 'models/data/digits.jsonl'
  const produced = await millraceJson<Produced>(['produce', file, '--topic', topic, '--key', 'id'])
  expect(produced).toMatchObject({
    records: 719,
    bad: 0,
    leftOut: [],
    interrupted: false,
    schema: { subject: `${topic}-value`, origin: 'beside the file' },
  })
  const records = await consumed(topic)
  const sent = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(byId(records.map(({ value }) => value))).toEqual(byId(sent))
  expect(records.every(({ key, value }) => key === value.id)).toBe(true)
  expect(new Set(records.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2]))
})

test('CSV comes out with the types of its schema', async () => {
  const topic = await createTopic(uniqueName('biopsy'), 2)
  const file = 'models/data/biopsy.csv'
  expect((await millraceJson<Produced>(['produce', file, '--topic', topic])).records).toBe(228)
  const sent: Record<string, unknown>[] = []
  for await (const row of createReadStream(file).pipe(parse({ columns: true })))
    sent.push(
      Object.fromEntries(
        Object.entries(row as Record<string, string>).map(([name, cell]) => [
          name,
          name === 'id' || name === 'diagnosis' ? cell : Number(cell),
        ]),
      ),
    )
  expect(byId((await consumed(topic)).map(({ value }) => value))).toEqual(byId(sent))
})

test('a schema that is registered is kept to; one that is given is registered; without one it is guessed', async () => {
  const directory = await temporaryDirectory()
  const topic = await createTopic(uniqueName('guessed'), 1)
  const first = await millraceJson<Produced>(['produce', '--topic', topic], {
    input: '{"id": 1, "note": "a", "score": 0.5}\n{"id": 2, "score": 3, "tags": ["x"]}\n',
  })
  expect(first).toMatchObject({ records: 2, schema: { origin: 'guessed' } })
  const second = await millraceJson<Produced>(['produce', '--topic', topic], {
    input: '{"id":3,"score":1,"more":true}',
  })
  expect(second).toMatchObject({ records: 1, leftOut: ['more'], schema: { id: first.schema.id, origin: 'registered' } })
  expect((await consumed(topic)).map(({ value }) => value)).toEqual([
    { id: 1, note: 'a', score: 0.5, tags: null },
    { id: 2, note: null, score: 3, tags: ['x'] },
    { id: 3, note: null, score: 1, tags: null },
  ])
  const schema = { type: 'record', name: 'Other', fields: [{ name: 'id', type: 'int' }] }
  await writeFile(join(directory, 'other.avsc'), JSON.stringify(schema))
  const other = await createTopic(uniqueName('given'), 1)
  const given = ['produce', '--topic', other, '--schema', join(directory, 'other.avsc')]
  expect((await millraceJson<Produced>(given, { input: '{"id":7}' })).schema.origin).toBe('given')
  expect((await consumed(other)).map(({ value }) => value)).toEqual([{ id: 7 }])
})

const threeWithOneBad = '{"id":1}\n{"id":"two"}\n\n{"id":3}\n'

test('a bad line ends it, named with its number, after what came before is sent', async () => {
  const topic = await createTopic(uniqueName('bad'), 1)
  await millraceJson(['produce', '--topic', topic], { input: '{"id":0}' })
  const { code, stderr } = await millrace(['produce', '--topic', topic], { input: threeWithOneBad })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^millrace: a record does not fit the schema: standard input:2: .*Correct the named line\.\n$/)
  expect((await consumed(topic)).map(({ value }) => value.id)).toEqual([0, 1])
})

test('with --skip-bad it is named and counted, and the rest is sent', async () => {
  const topic = await createTopic(uniqueName('skip'), 1)
  await millraceJson(['produce', '--topic', topic], { input: '{"id":0}' })
  const { code, stdout, stderr } = await millrace(['produce', '--topic', topic, '--skip-bad'], {
    input: `${threeWithOneBad}nonsense\n`,
  })
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^2 records to .*\n.*\n2 bad lines left out\n$/)])
  expect(stderr).toBe(
    `standard input:2: id: "two" where a number is needed\nstandard input:5: not JSON: ${jsonError('nonsense')}\n`,
  )
  expect((await consumed(topic)).map(({ value }) => value.id)).toEqual([0, 1, 3])
})

const jsonError = (text: string): string => {
  try {
    return String(JSON.parse(text))
  } catch (error) {
    return (error as Error).message
  }
}

test.each(['models/data/digits.jsonl', 'models/data/biopsy.csv'])(
  'Ctrl-C ends an endless %s with everything sent that was counted',
  async (file) => {
    const topic = await createTopic(uniqueName('endless'), 2)
    const running = startMillrace(['produce', file, '--topic', topic, '--loop', '--rate', '200', '--json'])
    const watching = startMillrace(['consume', '--topic', topic, '--follow', '--from-beginning', '--max', '1'])
    expect((await watching.finished).code).toBe(0)
    const { code, stdout } = await running.interrupt()
    expect(code).toBe(0)
    const { records, interrupted } = JSON.parse(stdout) as Produced
    expect([records > 0, interrupted]).toEqual([true, true])
    expect(await consumed(topic)).toHaveLength(records)
  },
)

test('a loop begins again until its limit', async () => {
  const topic = await createTopic(uniqueName('loop'), 1)
  const args = ['produce', 'models/data/biopsy.csv', '--topic', topic, '--loop', '--limit', '500']
  expect((await millraceJson<Produced>(args)).records).toBe(500)
})

test.each([
  [['produce', '--loop', '--topic', 't'], 2, '--loop needs a file'],
  [['produce', 'nowhere.jsonl', '--topic', 't'], 1, 'the file cannot be read: nowhere.jsonl'],
  [['produce', 'models', '--topic', 't'], 1, 'models: it is a folder'],
  [['produce', resolve('models/data/digits.jsonl'), '--topic', 'not-there-at-all'], 1, 'a topic does not exist'],
])('%s cannot be done', async (args, exitCode, line) => {
  const { code, stderr } = await millrace(args)
  expect([code, stderr]).toEqual([exitCode, expect.stringContaining(line)])
})
