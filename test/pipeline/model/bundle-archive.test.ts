import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { Header, type HeaderData, Pax } from 'tar'
import { expect, test } from 'vitest'
import { readBundle } from '../../../pipeline/model/bundle.js'
import { MillraceError } from '../../../stages/errors.js'
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

/** An extended header that says of the next file what its own header does not. */
const extended = (said: Partial<HeaderData>): Buffer => new Pax(said as HeaderData).encode()

const withoutEnd = (entries: readonly Entry[]) => tar(entries).subarray(0, -1024)

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

test('an archive inside an archive is refused, also when its first byte comes alone', async () => {
  const inner = gzipSync(tar(regular()))
  const empty = Buffer.from([0, 0, 0, 0xff, 0xff])
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(inner), 0)
  trailer.writeUInt32LE(inner.length, 4)
  const crafted = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]),
    Buffer.from([0, 1, 0, 0xfe, 0xff, inner[0]!]),
    ...new Array<Buffer>(30_000).fill(empty),
    deflateRawSync(inner.subarray(1)),
    trailer,
  ])
  await refused(crafted, /compressed twice/)
})

test('an extended header cannot say another name or another size', async () => {
  const file = { path: 'model.onnx', bytes: Buffer.from('x') }
  const others = regular().filter(({ path }) => path !== 'model.onnx')
  const after = (pax: Buffer) => gzipSync(Buffer.concat([withoutEnd(others), pax, tar([file])]))
  await refused(after(extended({ path: '../../etc/cron.d/x' })), /is not a file of a bundle/)
  await refused(after(extended({ path: 'bundle.json' })), /there twice/)
  await refused(after(extended({ size: 8e9 })), /unpacks to/)
})

test('a text file that is larger than any is refused by its header', async () => {
  const change = (path: string, size: number) =>
    gzipSync(tar([...regular().filter((entry) => entry.path !== path), { path, bytes: Buffer.alloc(size, ' ') }]))
  const large = { packedBytes: 1e9, unpackedBytes: 1e9 }
  const path = join(await temporaryFolder(), 'bundle.tar.gz')
  for (const [name, most] of [
    ['bundle.json', 4_194_304],
    ['input.avsc', 4_194_304],
    ['signature', 4096],
  ] as const) {
    await writeFile(path, change(name, most + 1))
    await expect(readBundle(path, large)).rejects.toThrow(`more than ${most}`)
  }
})

test('a damaged archive is refused with an error of its own, or what is read is what was packed', async () => {
  const sound = tar(regular())
  const { digest } = await read(gzipSync(sound))
  const path = join(await temporaryFolder(), 'damaged.tar.gz')
  const flip = fc.record({ at: fc.nat(sound.length - 1), to: fc.nat(255) })
  const damage = fc.array(flip, { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(damage, fc.option(damage, { nil: [] }), async (inside, outside) => {
      const bytes = Buffer.from(sound)
      for (const { at, to } of inside) bytes[at] = to
      const packed = gzipSync(bytes, { level: 1 })
      for (const { at, to } of outside) packed[at % packed.length] = to
      await writeFile(path, packed)
      const result = await readBundle(path, limits).catch((error: unknown) => error)
      if (result instanceof Error) expect(result).toBeInstanceOf(MillraceError)
      else expect(result).toMatchObject({ digest })
    }),
    { numRuns: 300 },
  )
})
