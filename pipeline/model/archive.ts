import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { Header, Parser, type ReadEntry } from 'tar'
import { MillraceError } from '../../stages/errors.js'
import { isBundleFile, maxFileBytes } from './bundle-files.js'

/** Bytes that a bundle may have on disk, and in memory once unpacked. */
export interface ArchiveLimits {
  readonly packedBytes: number
  readonly unpackedBytes: number
}

export const archiveLimits: ArchiveLimits = { packedBytes: 512 * 1024 * 1024, unpackedBytes: 1024 * 1024 * 1024 }

/** Takes the bytes of one file as they are unpacked. */
export interface FileSink {
  chunk(bytes: Buffer): void
  /** The file is complete; not called when the archive is refused before. */
  end(): void
}

/** The files of a `.tar.gz`, by name, in memory. Throws as `walkArchive` does. */
export async function readArchive(path: string, limits: ArchiveLimits = archiveLimits): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  await walkArchive(path, limits, (name) => {
    const chunks: Buffer[] = []
    return {
      chunk: (bytes) => void chunks.push(bytes),
      end: () => void files.set(name, Buffer.concat(chunks)),
    }
  })
  return files
}

/**
 * Unpacks a `.tar.gz` into sinks, one a file. Nothing is written to disk, and only regular files with the names of a bundle are taken, each
 * once. Everything else (links, devices, folders, other names, paths) refuses the whole archive, as does a byte too many, counted while
 * unpacking. Throws `bundle-invalid`; errors of the file system pass through.
 */
export async function walkArchive(
  path: string,
  limits: ArchiveLimits,
  open: (name: string) => FileSink,
): Promise<void> {
  const refuse = (what: string, cause?: unknown) =>
    new MillraceError('bundle-invalid', `${path}: ${what.replace(/\p{Cc}+/gu, ' ')}`, { cause })
  const { size } = await stat(path)
  if (size > limits.packedBytes) throw refuse(`${size} bytes; a bundle has at most ${limits.packedBytes}`)

  const names = new Set<string>()
  let failure: unknown
  const take = (entry: ReadEntry) => {
    const problem = entryProblem(entry, names)
    // The declared size is looked at first, so that nothing is kept of a file that cannot fit.
    const most = Math.min(limits.unpackedBytes, maxFileBytes.get(plainName(entry.path)) ?? limits.unpackedBytes)
    if (problem) failure ??= refuse(problem)
    else if (entry.size > most) failure ??= refuse(`${entry.path} unpacks to ${entry.size} bytes, more than ${most}`)
    const sink = failure || entry.type === 'Directory' ? undefined : open(plainName(entry.path))
    entry.on('data', (chunk) => {
      if (!failure) sink?.chunk(chunk)
    })
    entry.on('end', () => {
      if (!failure) sink?.end()
    })
  }
  const parser = new Parser({ strict: true, brotli: false, zstd: false, onReadEntry: take })
  parser.on('ignoredEntry', (entry: ReadEntry) => {
    failure ??= refuse(`${entry.path} is of a kind that a bundle does not have (${entry.type})`)
  })
  parser.on('error', (cause: Error) => {
    failure ??= refuse(`not a tar archive: ${cause.message}`, cause)
  })

  let unpacked = 0
  let head: Buffer = Buffer.alloc(0)
  try {
    await pipeline(createReadStream(path), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        // The parser would unpack a second layer of compression by itself, past the count below.
        if (head.length < 2) head = Buffer.concat([head, chunk.subarray(0, 2)])
        if (isGzip(head)) failure ??= refuse('compressed twice')
        unpacked += chunk.length
        if (unpacked > limits.unpackedBytes) failure ??= refuse(`unpacks to more than ${limits.unpackedBytes} bytes`)
        if (!failure) parser.write(chunk)
        if (failure) return
      }
      parser.end()
    })
  } catch (cause) {
    // Leaving the loop early aborts the streams; that is not the reason.
    if (!failure) {
      if (!/^(Z_|ERR_)/.test((cause as NodeJS.ErrnoException).code ?? '')) throw cause
      failure = refuse(`not a .tar.gz: ${(cause as Error).message}`, cause)
    }
  }
  if (failure) throw failure
}

const isGzip = (chunk: Buffer): boolean => chunk[0] === 0x1f && chunk[1] === 0x8b

/** `tar czf x.tar.gz .` writes `./` before every name. */
const plainName = (path: string): string => (path.startsWith('./') ? path.slice(2) : path)

function entryProblem(entry: ReadEntry, names: Set<string>): string | undefined {
  if (entry.type === 'Directory' && (entry.path === './' || entry.path === '.')) return undefined
  const name = plainName(entry.path)
  if (!isBundleFile(name)) return `${JSON.stringify(entry.path)} is not a file of a bundle`
  if (entry.type !== 'File' && entry.type !== 'OldFile') return `${name} is not a regular file (${entry.type})`
  if (names.has(name)) return `${name} is there twice`
  names.add(name)
  return undefined
}

/**
 * Writes a `.tar.gz` whose bytes depend on nothing but the names and contents given: sorted, no times, no owners. Atomic: the file is
 * there complete, or it is not.
 */
export async function writeArchive(path: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  const partial = `${path}.partial`
  try {
    await pipeline(Readable.from(entries(files)), createGzip({ level: 9 }), createWriteStream(partial))
    await clearGzipPlatform(partial)
    await rename(partial, path)
  } catch (cause) {
    await rm(partial, { force: true })
    throw cause
  }
}

function* entries(files: ReadonlyMap<string, Buffer>): Generator<Buffer> {
  for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const header = Buffer.alloc(512)
    new Header({ path, size: bytes.length, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0, type: 'File' }).encode(
      header,
    )
    yield header
    yield bytes
    yield Buffer.alloc((512 - (bytes.length % 512)) % 512)
  }
  yield Buffer.alloc(1024)
}

// Byte 9 of a gzip header says which operating system wrote it (RFC 1952); 255 is "unknown".
async function clearGzipPlatform(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.write(Buffer.of(255), 0, 1, 9)
  } finally {
    await file.close()
  }
}
