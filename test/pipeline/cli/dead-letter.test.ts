import { expect, test } from 'vitest'
import { millrace, millraceJson, startMillrace } from '../../fixtures/cli.js'
import { readTopic, send, uniqueName } from '../../fixtures/kafka.js'

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
  expect(third).toMatchObject({ ...first, offset: 3, at: expect.any(String) })
  const input = await readTopic(`${deployment}.input`, 0, 4)
  expect(input[3]!.value!.equals(input[1]!.value!)).toBe(true)
  expect(Object.keys(input[3]!.headers ?? {})).toEqual([])

  const counted = await millraceJson(['dead-letter', 'list', '--count'], { environment })
  expect(counted).toMatchObject({
    counts: [
      { code: 'shape-mismatch', count: 2 },
      { code: 'not-framed', count: 1 },
    ],
  })
  const shown = await millrace(['dead-letter', 'list', '--last', '1'], { environment })
  expect(shown.stdout).toMatch(/^when .*\n\S+Z +0\/3 +digits@1 +shape-mismatch +\S.*\n$/)
  expect((await worker.interrupt()).code).toBe(0)
})

test('a code that does not exist is misuse', async () => {
  const { code, stderr } = await millrace(['dead-letter', 'list', '--code', 'shape', '--deployment', 'd'])
  expect([code, stderr]).toEqual([2, expect.stringMatching(/there is no code shape; there are tombstone, /)])
})
