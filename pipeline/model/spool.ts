import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { incomingPrefix } from './catalogue.js'

/** A file that fills with numbered chunks in whatever order they come. What is held in memory is where each of them lies. */
export interface Spool {
  readonly path: string
  /** of the file; chunks that were replaced are still in it */
  readonly bytes: number
  /** of the chunks that count */
  readonly size: number
  /** distinct chunks */
  readonly chunks: number
  /** Of two chunks with one number the later counts. */
  write(n: number, value: Buffer): Promise<void>
  /** The numbers below `count` of which no chunk has come, the first few. */
  missing(count: number): number[]
  /** Puts chunks `[0, count)` in order, closes the file, and says what is in it. Every one of them has to be there. */
  finish(count: number): Promise<{ path: string; bytes: number; sha256: string }>
  /** Closes and deletes whatever there is. */
  discard(): Promise<void>
}

interface Place {
  readonly at: number
  readonly length: number
  readonly sha256: string
}

/** Named like an archive that a store is writing, so that the store's collection finds what a crash leaves behind. */
export async function openSpool(directory: string): Promise<Spool> {
  const path = join(directory, `${incomingPrefix}push-${randomUUID()}`)
  const ordered = `${path}-ordered`
  const file = await open(path, 'wx+')
  const places = new Map<number, Place>()
  let bytes = 0
  let size = 0
  let closed = false
  const close = async () => {
    if (!closed) await file.close()
    closed = true
  }

  return {
    path,
    get bytes() {
      return bytes
    },
    get size() {
      return size
    },
    get chunks() {
      return places.size
    },
    async write(n, value) {
      const sha256 = createHash('sha256').update(value).digest('base64')
      if (places.get(n)?.sha256 === sha256) return
      await writeAll(file, value, bytes)
      size += value.length - (places.get(n)?.length ?? 0)
      places.set(n, { at: bytes, length: value.length, sha256 })
      bytes += value.length
    },
    missing(count) {
      const numbers: number[] = []
      for (let n = 0; n < count && numbers.length < 5; n++) if (!places.has(n)) numbers.push(n)
      return numbers
    },
    async finish(count) {
      const wanted = Array.from({ length: count }, (_, n) => places.get(n)!)
      // The usual case: everything came once and in order, and the file is the archive already.
      const asIs =
        size === bytes && wanted.every(({ at }, i) => i === 0 || at > wanted[i - 1]!.at) && count === places.size
      const target = asIs ? undefined : await open(ordered, 'wx')
      const hash = createHash('sha256')
      const buffer = Buffer.allocUnsafe(Math.max(1, ...wanted.map(({ length }) => length)))
      let written = 0
      try {
        for (const { at, length } of wanted) {
          await readAll(file, buffer.subarray(0, length), at)
          hash.update(buffer.subarray(0, length))
          if (target) await writeAll(target, buffer.subarray(0, length), written)
          written += length
        }
      } finally {
        await target?.close()
        await close()
      }
      return { path: asIs ? path : ordered, bytes: written, sha256: hash.digest('hex') }
    },
    async discard() {
      await close()
      await rm(path, { force: true })
      await rm(ordered, { force: true })
    },
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

async function readAll(file: FileHandle, into: Buffer, at: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, at + done)
    if (bytesRead === 0) throw new Error('the spool file is shorter than what was written to it')
    done += bytesRead
  }
}
