import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createAssembler } from '../../../pipeline/model/assembler.js'
import { millrace, millraceJson } from '../../fixtures/cli.js'
import { createTopic, readTopic, uniqueName } from '../../fixtures/kafka.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

const archive = 'models/bundles/digits@2.tar.gz'

test('a bundle that is pushed can be put together again from the models topic', async () => {
  const deployment = uniqueName('push')
  await createTopic(`${deployment}.models`, 1)
  const pushed = await millraceJson<{ ref: string; digest: string; chunks: number }>([
    'models',
    'push',
    archive,
    '--deployment',
    deployment,
  ])
  expect(pushed.ref).toBe('digits@2')
  const arrived: { digest: string; same: boolean }[] = []
  const assembler = createAssembler({
    maxBytes: 1 << 20,
    directory: await temporaryDirectory(),
    onBundle: async ({ path, digest }) =>
      arrived.push({ digest, same: (await readFile(path)).equals(await readFile(archive)) }),
    onRefused: ({ error }) => {
      throw error
    },
  })
  for (const record of await readTopic(`${deployment}.models`, 0, pushed.chunks + 1)) await assembler.feed(record)
  expect(arrived).toEqual([{ digest: pushed.digest, same: true }])
})

test('what is no archive of a bundle is not sent', async () => {
  const folder = await millrace(['models', 'push', 'models', '--deployment', 'd'])
  expect([folder.code, folder.stderr]).toEqual([2, expect.stringContaining('`millrace bundle pack models`')])
  const other = await millrace(['models', 'push', 'package.json', '--deployment', 'd'])
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('the bundle is not valid')])
})
