import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Held, type Lock, tryLock } from '../../../docker/lock.js'
import { identify, isAlive } from '../../../docker/process-identity.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

const lockFile = async () => join(await temporaryDirectory(), 'folder', 'lock')
const taken = (result: Lock | Held): result is Lock => 'release' in result

async function staleLock(content: string): Promise<string> {
  const path = join(await temporaryDirectory(), 'lock')
  await writeFile(path, content)
  return path
}

async function deadProcess() {
  const child = spawn('sleep', ['60'])
  const identity = (await identify(child.pid ?? 0))!
  child.kill('SIGKILL')
  await once(child, 'exit')
  return identity
}

test('one takes a lock, the next one learns who has it', async () => {
  const path = await lockFile()
  const first = await tryLock(path)
  expect(taken(first)).toBe(true)
  expect(await tryLock(path)).toMatchObject({ holder: { pid: process.pid } })
})

test('a lock that was given back is free, and nothing is left of it', async () => {
  const path = await lockFile()
  const first = (await tryLock(path)) as Lock
  await first.release()
  await first.release()
  expect(await readdir(join(path, '..'))).toEqual([])
  expect(taken(await tryLock(path))).toBe(true)
})

test('giving back late does not take the lock from the next holder', async () => {
  const path = await lockFile()
  const first = (await tryLock(path)) as Lock
  await first.release()
  await tryLock(path)
  await first.release()
  expect(taken(await tryLock(path))).toBe(false)
})

test('the lock of a process that died is taken over', async () => {
  const path = await staleLock(JSON.stringify(await deadProcess()))
  expect(taken(await tryLock(path))).toBe(true)
})

test('a lock is stale when another process has the number of its holder by now', async () => {
  const path = await staleLock(JSON.stringify({ pid: process.pid, started: 'at another time' }))
  expect(taken(await tryLock(path))).toBe(true)
})

test('a lock file that makes no sense is stale', async () => {
  for (const content of ['', '{"pid":1', 'null']) expect(taken(await tryLock(await staleLock(content)))).toBe(true)
})

test('of many that find the same stale lock one gets it', async () => {
  const path = await staleLock(JSON.stringify(await deadProcess()))
  const results = await Promise.all(Array.from({ length: 30 }, () => tryLock(path)))
  expect(results.filter(taken)).toHaveLength(1)
  expect(await readdir(join(path, '..'))).toEqual(['lock'])
})

test('a process is known by number and start', async () => {
  const own = (await identify(process.pid))!
  expect(await isAlive(own)).toBe(true)
  expect(await isAlive({ ...own, started: 'before' })).toBe(false)
  expect(await isAlive(await deadProcess())).toBe(false)
})
