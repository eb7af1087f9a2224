import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Header } from 'tar'
import { expect, test } from 'vitest'
import { readBundle } from '../../../pipeline/model/bundle.js'
import { bundleFiles, temporaryFolder } from './bundle-fixture.js'

interface Entry {
  readonly path: string
  readonly bytes?: Buffer
  readonly type?: 'File' | 'SymbolicLink' | 'Link' | 'Directory' | 'CharacterDevice' | 'FIFO' | 'GNUDumpDir'
  readonly linkpath?: string
  /** what the header claims, when it lies */
  readonly size?: number
}

const regular = (): Entry[] => [...bundleFiles()].map(([path, bytes]) => ({ path, bytes }))
const limits = { packedBytes: 1_000_000, unpackedBytes: 1_000_000 }

function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, bytes = Buffer.alloc(0), type = 'File', linkpath, size = bytes.length }) => {
    const header = Buffer.alloc(512)
    new Header({ path, size, type, linkpath, mode: 0o644 }).encode(header)
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

async function read(archive: Buffer) {
  const path = join(await temporaryFolder(), 'bundle.tar.gz')
  await writeFile(path, archive)
  return readBundle(path, limits)
}

const refused = (archive: Buffer, why: RegExp) =>
  expect(read(archive)).rejects.toMatchObject({ code: 'bundle-invalid', message: expect.stringMatching(why) })

test('an archive made by hand with `tar czf x.tar.gz .` is read', async () => {
  const entries = regular().map((entry) => ({ ...entry, path: `./${entry.path}` }))
  const bundle = await read(gzipSync(tar([{ path: './', type: 'Directory' }, ...entries])))
  expect(bundle.ref).toBe('digits@1')
})

test.each([
  '../model.onnx',
  '/etc/passwd',
  'a/../../x',
  './../x',
  'sub/model.onnx',
  '././bundle.json',
  'C:\\x',
  'run.sh',
])('a name that is not a file of a bundle refuses the archive: %s', (path) =>
  refused(gzipSync(tar([...regular(), { path, bytes: Buffer.from('x') }])), /is not a file of a bundle/),
)

test('a name that differs only in case refuses the archive', () =>
  refused(gzipSync(tar([...regular(), { path: 'Model.onnx', bytes: Buffer.from('x') }])), /is not a file of a bundle/))

test.each(['SymbolicLink', 'Link', 'CharacterDevice', 'FIFO', 'Directory', 'GNUDumpDir'] as const)(
  'what is not a regular file refuses the archive: %s',
  (type) => {
    const linkpath = type.endsWith('Link') ? '/etc/passwd' : undefined
    const entries = regular().filter(({ path }) => path !== 'model.onnx')
    return refused(gzipSync(tar([...entries, { path: 'model.onnx', type, linkpath }])), /./)
  },
)

test('a file that is there twice refuses the archive', () =>
  refused(gzipSync(tar([...regular(), { path: './model.onnx', bytes: Buffer.from('other') }])), /there twice/))

test('an archive that unpacks to more than a bundle may have is refused while it is unpacked', async () => {
  const bomb = Buffer.alloc(50_000_000)
  await refused(gzipSync(tar([{ path: 'model.onnx', bytes: bomb }])), /unpacks to/)
  await refused(gzipSync(Buffer.concat([tar(regular()), bomb])), /unpacks to more than/)
  await refused(gzipSync(tar([{ path: 'model.onnx', size: 8_000_000_000, bytes: Buffer.from('x') }])), /unpacks to/)
})

test('an archive larger than a bundle may be is refused unread', () =>
  refused(Buffer.alloc(limits.packedBytes + 1), /at most 1000000/))

test('an archive inside an archive is refused', () => refused(gzipSync(gzipSync(tar(regular()))), /compressed twice/))

test('what is no archive, cut short or damaged is refused', async () => {
  const archive = gzipSync(tar(regular()))
  await refused(Buffer.from('hello'), /not a \.tar\.gz/)
  await refused(Buffer.alloc(0), /./)
  await refused(archive.subarray(0, archive.length / 2), /./)
  await refused(gzipSync(tar(regular()).subarray(0, 1500)), /./)
  await refused(gzipSync(Buffer.from('hello')), /./)
  await refused(gzipSync(Buffer.alloc(10_000, 'x')), /./)
})
