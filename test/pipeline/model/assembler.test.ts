import { execFile } from 'node:child_process'
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'
import { type AssemblerOptions, createAssembler, type Refusal } from '../../../pipeline/model/assembler.js'
import { type ChunkRecord, readPush, toChunks } from '../../../pipeline/model/chunks.js'
import { generateKeys, signBundle, verifySignature } from '../../../pipeline/model/signature.js'
import { openStore } from '../../../pipeline/model/store.js'
import { temporaryFolder } from './bundle-fixture.js'

const digest = 'd'.repeat(64)
const bundle = { ref: 'digits@1', digest }

async function records(archive: Uint8Array, push = 'p', chunkBytes = 10): Promise<ChunkRecord[]> {
  const list: ChunkRecord[] = []
  for await (const record of toChunks(archive, bundle, { push, chunkBytes })) list.push(record)
  return list
}

async function setUp(change: Partial<AssemblerOptions> = {}) {
  const directory = await temporaryFolder()
  const arrived: string[] = []
  const refused: Refusal[] = []
  const assembler = createAssembler({
    maxBytes: 1000,
    directory,
    onBundle: async ({ path }) => arrived.push(await readFile(path, 'utf8')),
    onRefused: (refusal) => refused.push(refusal),
    ...change,
  })
  const feed = async (list: readonly ChunkRecord[], timestamp = 0) => {
    for (const record of list) await assembler.feed({ ...record, timestamp })
  }
  return { assembler, feed, arrived, refused, directory }
}

const reasons = (refused: readonly Refusal[]) => refused.map(({ error }) => `${error.code}: ${error.detail}`)

test('a bundle that is pushed ends in the store, verified, under its digest', async () => {
  const folder = await temporaryFolder()
  const store = openStore(join(folder, 'store'))
  const push = await readPush('models/bundles/digits@1.tar.gz')
  expect(push).toMatchObject({ ref: 'digits@1', digest: (await openStore('models/bundles').find('digits@1')).digest })
  const { assembler, feed, refused } = await setUp({
    maxBytes: 10_000_000,
    directory: join(folder, 'store'),
    onBundle: ({ path, digest, ref }) => store.put(path, { digest, ref }),
  })
  for await (const record of push.records()) await feed([record])
  expect(refused).toEqual([])
  expect((await store.load('digits@1', push.digest)).digest).toBe(push.digest)
  expect(await readdir(join(folder, 'store'))).toEqual([`sha256-${push.digest}.tar.gz`])
  expect(assembler.open).toBe(0)
})

test('what is another bundle than it says, or not a signed one, is refused with the reason of the store', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'digits.tar.gz')
  await copyFile('models/bundles/digits@1.tar.gz', path)
  await signBundle(path, generateKeys().privateKeyPem)
  const trusted = [{ name: 'team', publicKeyPem: generateKeys().publicKeyPem }]
  const store = openStore(join(folder, 'store'), { accept: (inspected) => verifySignature(inspected, trusted) })
  const { feed, refused } = await setUp({
    maxBytes: 10_000_000,
    onBundle: (arrived) => store.put(arrived.path, arrived),
  })
  const bytes = await readFile(path)
  const honest = await readPush(path)
  await feed(await records(bytes, 'lie', 1 << 16))
  for await (const record of honest.records()) await feed([record])
  for await (const record of toChunks(Buffer.from('no archive'), honest)) await feed([record])
  expect(refused.map(({ ref, error }) => [ref, error.code])).toEqual([
    ['digits@1', 'digest-mismatch'],
    ['digits@1', 'signature-wrong'],
    ['digits@1', 'bundle-invalid'],
  ])
  expect(await readdir(join(folder, 'store'))).toEqual([])
})

test('a push that was interrupted is given up after a while, with what is missing', async () => {
  const { assembler, feed, arrived, refused, directory } = await setUp({ idleMs: 1000 })
  const list = await records(Buffer.alloc(35, 'x'))
  await feed(list.slice(0, 2), 5000)
  await feed((await records(Buffer.from('other'), 'q')).slice(0, 1), 5900)
  expect(assembler.open).toBe(2)
  await feed(await records(Buffer.from('whole'), 'r'), 6001)
  expect(reasons(refused)).toEqual([`push-incomplete: bundle ${digest}: it never ended; nothing came for 1000 ms`])
  await feed(list.slice(2), 6002)
  expect(arrived).toEqual(['whole'])
  const holes = await records(Buffer.alloc(70, 'y'), 's')
  await feed([...holes.slice(0, 1), ...holes.slice(3, 5), ...holes.slice(6)], 6003)
  await assembler.expire(8000)
  expect(reasons(refused).at(-1)).toBe(
    'push-incomplete: digits@1: chunk 1, 2, 5 of 7 never came; nothing came for 1000 ms',
  )
  expect(await readdir(directory)).toEqual([])
})

test('what is too large is refused as soon as that is known, and its rest is passed over', async () => {
  const { feed, arrived, refused, directory } = await setUp({ maxBytes: 25 })
  await feed(await records(Buffer.alloc(60, 'x')))
  expect(reasons(refused)).toEqual([`bundle-invalid: bundle ${digest}: 30 bytes; 25 are allowed`])
  expect(await readdir(directory)).toEqual([])
  await feed(await records(Buffer.alloc(25, 'x'), 'fits'))
  expect(arrived).toEqual(['x'.repeat(25)])
  const [chunk] = await records(Buffer.alloc(10), 'odd')
  await feed([{ ...chunk!, value: Buffer.alloc(600_000) }])
  await feed([{ ...chunk!, key: Buffer.from(`${digest}/99999999`), headers: { push: 'far' } }])
  expect(reasons(refused).slice(1)).toEqual([
    expect.stringContaining('600000 bytes; 25 are allowed'),
    expect.stringContaining('100000000 chunks; 65536 are allowed'),
  ])
})

test('many pushes at once cost no more than a few files: the one that was silent longest is given up', async () => {
  const { assembler, feed, refused, directory } = await setUp({ maxPushes: 3 })
  for (const push of ['a', 'b', 'c', 'a', 'd', 'e'])
    await feed((await records(Buffer.alloc(30, 'x'), push)).slice(0, 1))
  expect(assembler.open).toBe(3)
  expect(refused).toHaveLength(2)
  expect(await readdir(directory)).toHaveLength(3)
  const large = await setUp({ maxBytes: 100 })
  for (const push of ['a', 'b', 'c']) await large.feed((await records(Buffer.alloc(90, 'x'), push, 90)).slice(0, 1))
  expect(large.assembler.open).toBe(2)
  await assembler.close()
  expect(await readdir(directory)).toEqual([])
})

test('a bundle that the store has is not assembled again', async () => {
  const has = vi.fn(() => true)
  const { feed, arrived, refused, directory } = await setUp({ has })
  await feed(await records(Buffer.alloc(60, 'x')))
  expect(has).toHaveBeenCalledTimes(1)
  expect(arrived).toEqual([])
  expect(refused).toEqual([])
  expect(await readdir(directory)).toEqual([])
})

test('a record that is no chunk is refused, a series of them once, and is in nobody’s way', async () => {
  const { feed, arrived, refused } = await setUp()
  const [first, ...rest] = await records(Buffer.from('abc'))
  const end = rest.at(-1)!
  const strange: ChunkRecord[] = [
    { key: null, value: Buffer.from('x'), headers: undefined },
    { key: Buffer.from('x'.repeat(1000)), value: Buffer.from('x'), headers: {} },
    { key: Buffer.from(`${digest}/-1`), value: Buffer.from('x'), headers: {} },
    { key: Buffer.from(`../../${digest}/1`), value: Buffer.from('x'), headers: {} },
    { ...end, headers: undefined },
    { ...end, headers: { ...end.headers, chunks: '7' } },
    { ...end, headers: { ...end.headers, bytes: '1e3' } },
    { ...end, headers: { ...end.headers, sha256: 'abc' } },
    { ...end, headers: { ...end.headers, digest: 'e'.repeat(64) } },
  ]
  await feed([first!, ...strange, end])
  expect(reasons(refused)).toEqual(['push-incomplete: a record that is no chunk of a bundle'])
  expect(arrived).toEqual(['abc'])
})

test('pushes without a name are told apart by their first chunk', async () => {
  const { feed, arrived, refused } = await setUp()
  const nameless = async (text: string) =>
    (await records(Buffer.from(text))).map((record) => ({ ...record, headers: { ...record.headers, push: undefined } }))
  const broken = await nameless('damaged on the way')
  await feed([{ ...broken[0]!, value: Buffer.from('0123456789') }, ...broken.slice(1)])
  expect(refused).toHaveLength(1)
  await feed(await nameless('damaged on the way'))
  expect(arrived).toEqual(['damaged on the way'])
})

test('a disk that cannot be written refuses the push and not the stream', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'file'), '')
  const { feed, refused } = await setUp({ directory: join(folder, 'file') })
  await feed(await records(Buffer.alloc(30, 'x')))
  expect(reasons(refused)).toEqual([expect.stringMatching(/^file-unreadable: /)])
})

test('a hundred megabytes go through chunks, assembler and store in far less memory', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['test/fixtures/large-push.mjs', '100'])
  const { ref, bytes, grownMb } = JSON.parse(stdout)
  expect(ref).toBe('large@1')
  expect(bytes).toBeGreaterThan(100 * 2 ** 20)
  expect(grownMb).toBeLessThan(64)
})
