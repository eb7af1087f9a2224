import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { writeArchive } from '../../../pipeline/model/archive.js'
import type { Listed } from '../../../pipeline/model/catalogue.js'
import { openStore } from '../../../pipeline/model/store.js'
import { bundleFiles, temporaryFolder, writeFolder } from './bundle-fixture.js'

async function archive(version: string, change: Record<string, unknown> = {}, signature?: string): Promise<Buffer> {
  const path = join(await temporaryFolder(), 'a.tar.gz')
  const files = bundleFiles({ version, ...change })
  if (signature) files.set('signature', Buffer.from(signature))
  await writeArchive(path, files)
  return readFile(path)
}

const refs = (listed: readonly Listed[]) => listed.map(({ ref }) => ref)
const namesIn = async (folder: string) => (await readdir(folder)).sort()

test('an archive is kept under its digest, once, and can be loaded by reference and by digest', async () => {
  const folder = join(await temporaryFolder(), 'new', 'store')
  const store = openStore(folder)
  const bytes = await archive('1')
  const put = await store.put(bytes)
  expect(put).toMatchObject({ ref: 'digits@1', path: join(folder, `sha256-${put.digest}.tar.gz`), stored: true })
  expect(await store.put(bytes)).toEqual({ ...put, stored: false })
  expect(await namesIn(folder)).toEqual([basename(put.path)])
  expect(await store.list()).toMatchObject([{ ref: 'digits@1', digest: put.digest, byHand: false }])
  expect((await store.load('digits@1')).digest).toBe(put.digest)
  expect((await store.load(put.digest)).ref).toBe('digits@1')
  expect(await store.find('digits@1', put.digest)).toMatchObject({ path: put.path })
})

test('what is already there under another name is not kept twice', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'digits@1.tar.gz'), await archive('1'))
  const put = await openStore(folder).put(join(folder, 'digits@1.tar.gz'))
  expect(put).toMatchObject({ ref: 'digits@1', path: join(folder, 'digits@1.tar.gz'), stored: false })
  expect(await namesIn(folder)).toEqual(['digits@1.tar.gz'])
})

test('what is no sound bundle, or is not accepted, leaves nothing behind', async () => {
  const folder = await temporaryFolder()
  const accept = vi.fn(({ ref }: { ref?: string }) => {
    if (ref === 'digits@2') throw new Error('not that one')
  })
  const store = openStore(folder, { accept })
  const sound = await archive('1')
  await expect(store.put(sound.subarray(0, sound.length - 100))).rejects.toMatchObject({
    code: 'bundle-invalid',
    detail: expect.stringMatching(/^the archive: /),
  })
  await expect(store.put(await archive('1', { files: {} }))).rejects.toMatchObject({ code: 'bundle-invalid' })
  await expect(store.put(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'file-unreadable' })
  expect(accept).not.toHaveBeenCalled()
  await expect(store.put(await archive('2'))).rejects.toThrow('not that one')
  expect(await readdir(folder)).toEqual([])
})

test('a store that is full says so, and has room again for what is already in it', async () => {
  const folder = await temporaryFolder()
  const [one, two] = [await archive('1'), await archive('2')]
  await writeFile(join(folder, 'by-hand.tar.gz'), await archive('3'))
  const store = openStore(folder, { maxStoreBytes: one.length + two.length - 1 })
  await store.put(one)
  await expect(store.put(two)).rejects.toMatchObject({
    code: 'store-full',
    remedy: expect.stringContaining('models rm'),
  })
  expect(refs(await store.list())).toEqual(['digits@1', 'digits@3'])
  expect(await store.put(one)).toMatchObject({ stored: false })
  await store.remove('digits@1')
  expect(await store.put(two)).toMatchObject({ stored: true })
})

test('archives that arrive together are judged one after the other', async () => {
  const folder = await temporaryFolder()
  const archives = await Promise.all(['1', '2', '3'].map((version) => archive(version)))
  const store = openStore(folder, { maxStoreBytes: archives[0]!.length + archives[1]!.length + 10 })
  const results = await Promise.allSettled(archives.map((bytes) => store.put(bytes)))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
})

test('a signed copy takes the place of one that is not, and not the other way round', async () => {
  const folder = await temporaryFolder()
  const store = openStore(folder)
  const { digest } = await store.put(await archive('1'))
  expect(await store.put(await archive('1', {}, 'abc'))).toMatchObject({ digest, stored: true })
  expect(await store.put(await archive('1'))).toMatchObject({ stored: false })
  expect(await store.list()).toMatchObject([{ digest, signed: true }])
  expect((await store.load(digest)).files.get('signature')?.toString()).toBe('abc')
})

test('collection takes what was put here and nobody keeps, pins or has just put', async () => {
  const folder = await temporaryFolder()
  const store = openStore(folder)
  await writeFile(join(folder, 'by-hand.tar.gz'), await archive('0'))
  await writeFolder(join(folder, 'folder'), bundleFiles({ version: '00' }))
  const puts = []
  for (const version of ['1', '2', '3', '4']) puts.push(await store.put(await archive(version)))
  const [active, previous] = puts
  await store.pin('digits@3')
  expect(await store.collect({ keep: [], graceMs: 60_000 })).toEqual([])
  const keep = [active!.digest, previous!.digest]
  expect(refs(await openStore(folder).collect({ keep }))).toEqual(['digits@4'])
  await store.unpin(puts[2]!.digest)
  expect(refs(await store.collect({ keep }))).toEqual(['digits@3'])
  expect(refs(await store.list())).toEqual(['digits@0', 'digits@00', 'digits@1', 'digits@2'])
})

test('collection clears away what a crash left half-written, and not what is being written', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, '.incoming-old'), 'x')
  await utimes(join(folder, '.incoming-old'), 1, 1)
  await writeFile(join(folder, '.incoming-new'), 'x')
  const store = openStore(folder)
  expect(await store.list()).toEqual([])
  await store.collect({ keep: [] })
  expect(await namesIn(folder)).toEqual(['.incoming-new'])
})

test('what is in use or pinned is not removed; what is broken can be', async () => {
  const folder = await temporaryFolder()
  const store = openStore(folder)
  const { digest } = await store.put(await archive('1'))
  await writeFile(join(folder, 'half.tar.gz'), 'not an archive')
  await mkdir(join(folder, 'folder'))
  await expect(store.remove('digits@1', [digest])).rejects.toMatchObject({ code: 'model-in-use' })
  await store.pin(digest)
  await expect(store.remove('digits@1')).rejects.toMatchObject({ code: 'model-in-use' })
  await store.unpin('digits@1')
  expect((await store.remove(digest)).ref).toBe('digits@1')
  await store.remove('half.tar.gz')
  await expect(store.remove('folder')).rejects.toMatchObject({ code: 'usage' })
  await expect(store.remove('digits@1')).rejects.toMatchObject({ code: 'model-unknown' })
  expect(await namesIn(folder)).toEqual(['folder'])
})

test('of two bundles with one reference the digest says which is removed', async () => {
  const folder = await temporaryFolder()
  const store = openStore(folder)
  const first = await store.put(await archive('1'))
  const second = await store.put(await archive('1', { outputs: { scores: 'probabilities' } }))
  await expect(store.remove('digits@1')).rejects.toMatchObject({ code: 'bundle-invalid' })
  await store.remove(second.digest)
  expect((await store.load('digits@1')).digest).toBe(first.digest)
})

test('the bundles of an image are only read', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'digits.tar.gz'), await archive('1'))
  const store = openStore(folder, { mutable: false })
  await expect(store.put(await archive('2'))).rejects.toMatchObject({ code: 'store-immutable' })
  await expect(store.remove('digits@1')).rejects.toMatchObject({ code: 'store-immutable' })
  await expect(store.collect({ keep: [] })).rejects.toMatchObject({ code: 'store-immutable' })
  expect((await store.load('digits@1')).ref).toBe('digits@1')
})

test('what changes on disk is seen, though nothing is read twice', async () => {
  const folder = await temporaryFolder()
  const store = openStore(folder)
  const path = join(folder, 'digits.tar.gz')
  await writeFile(path, await archive('1'))
  await writeFolder(join(folder, 'folder'), bundleFiles({ version: '7' }))
  const [before] = await store.list()
  expect((await store.list())[0]).toEqual(before)
  await writeFile(join(folder, 'next'), await archive('2'))
  await rename(join(folder, 'next'), path)
  await writeFile(join(folder, 'folder', 'model.onnx'), 'other')
  expect((await store.list()).map(({ ref, problem }) => [ref, problem === undefined])).toEqual([
    ['digits@2', true],
    ['digits@7', false],
  ])
  await rm(path)
  await expect(store.load('digits@2')).rejects.toMatchObject({ code: 'model-unknown' })
})
