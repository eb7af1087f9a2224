/** What is shipped, as the linters of those who read it see it. Manifests and alert rules have tests of their own. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { hadolint } from '../fixtures/hadolint.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/** A file of docker/ with something wrong in it. */
const spoiled = async (name: string, right: string, wrong: string): Promise<string> => {
  const text = await readFile(join('docker', name), 'utf8')
  expect(text).toContain(right)
  const path = join(await temporaryDirectory(), name)
  await writeFile(path, text.replace(right, wrong))
  return path
}

test('hadolint finds nothing in the Dockerfile', async () => {
  expect(await hadolint('docker/Dockerfile')).toBe('')
  expect(await hadolint(await spoiled('Dockerfile', 'WORKDIR /build', 'WORKDIR build'))).toContain('DL3000')
})

interface Linted {
  readonly messages: readonly { readonly type: 'error' | 'warning'; readonly message: string }[]
}

/** What is against the schema of compose files; the order of keys is ours. */
const composeErrors = async (path: string): Promise<string[]> => {
  const dclint = promisify(execFile)(process.execPath, [
    resolve('node_modules/dclint/bin/dclint.cjs'),
    '-f',
    'json',
    path,
  ])
  const { stdout } = await dclint.catch((error: { stdout: string }) => error)
  const found: Linted[] = JSON.parse(stdout)
  return found.flatMap(({ messages }) => messages.filter(({ type }) => type === 'error')).map(({ message }) => message)
}

test('the composition is one by its schema', async () => {
  expect(await composeErrors('docker/compose.yaml')).toEqual([])
  // As it once was: a colon and a space make a mapping of a command.
  const mapping = await spoiled('compose.yaml', 'kafka:19092]', "kafka:19092, 'ok': 1]")
  expect(await composeErrors(mapping)).toEqual([expect.stringContaining('healthcheck')])
})
