/**
 * A bundle archive as records of the models topic. Kafka moves small records well and large ones badly, so an archive goes in pieces:
 *
 *   key              value              headers
 *   `<digest>/0`     ≤ 512 KiB          push
 *   …
 *   `<digest>/n-1`   ≤ 512 KiB          push
 *   `<digest>/n`     none               push, digest, ref, chunks (n), bytes, sha256 (of the archive)
 *
 * `digest` is the bundle's, `push` a uuid that tells one attempt from another: two people may push the same bundle at once, and one who was
 * interrupted begins anew. Headers are text.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Headers } from '../../stages/ports.js'
import { inspectBundle } from './inspect.js'

export const maxChunkBytes = 512 * 1024

/** A record of the models topic, to be sent or as it was read. */
export interface ChunkRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Headers | undefined
}

export interface Push {
  /** name@version */
  readonly ref: string
  readonly digest: string
  readonly bytes: number
  readonly chunks: number
  /** To be sent in order; reads the file as it goes. */
  records(): AsyncGenerator<ChunkRecord>
}

/** Verifies an archive and makes it ready to be pushed. Throws as `readBundle` does. */
export async function readPush(path: string): Promise<Push> {
  const { ref, digest, error } = await inspectBundle(path)
  if (error) throw error
  const { size: bytes } = await stat(path)
  const bundle = { ref: ref!, digest: digest! }
  const records = () => toChunks(createReadStream(path, { highWaterMark: maxChunkBytes }), bundle)
  return { ...bundle, bytes, chunks: Math.ceil(bytes / maxChunkBytes), records }
}

/** The records of an archive, the end marker last. */
export async function* toChunks(
  archive: Uint8Array | AsyncIterable<Uint8Array>,
  bundle: { readonly ref: string; readonly digest: string },
  { push = randomUUID(), chunkBytes = maxChunkBytes }: { push?: string; chunkBytes?: number } = {},
): AsyncGenerator<ChunkRecord> {
  const hash = createHash('sha256')
  let chunks = 0
  let bytes = 0
  const key = (n: number) => Buffer.from(`${bundle.digest}/${n}`)
  for await (const value of pieces(archive instanceof Uint8Array ? [archive] : archive, chunkBytes)) {
    hash.update(value)
    bytes += value.length
    yield { key: key(chunks++), value, headers: { push } }
  }
  const said = { ...bundle, chunks: String(chunks), bytes: String(bytes), sha256: hash.digest('hex') }
  yield { key: key(chunks), value: null, headers: { push, ...said } }
}

/** Cuts and joins what comes into pieces of `size` bytes; only the last may be shorter. */
async function* pieces(source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = []
  let length = 0
  for await (const bytes of source) {
    let rest = bytes
    while (length + rest.length >= size) {
      const taken = rest.subarray(0, size - length)
      rest = rest.subarray(taken.length)
      yield waiting.length === 0
        ? Buffer.from(taken.buffer, taken.byteOffset, size)
        : Buffer.concat([...waiting, taken])
      waiting = []
      length = 0
    }
    if (rest.length > 0) waiting.push(rest)
    length += rest.length
  }
  if (length > 0) yield Buffer.concat(waiting)
}

export interface Chunk {
  readonly kind: 'chunk'
  readonly digest: string
  readonly push: string
  readonly n: number
  readonly value: Buffer
}

export interface EndMarker {
  readonly kind: 'end'
  readonly digest: string
  readonly push: string
  readonly ref: string
  readonly chunks: number
  readonly bytes: number
  /** of the archive */
  readonly sha256: string
}

/** What a record of the models topic says; undefined when it is none that `toChunks` makes. */
export function readChunk({ key, value, headers }: ChunkRecord): Chunk | EndMarker | undefined {
  if (!key || key.length > 80) return undefined
  const [, digest, number] = /^([0-9a-f]{64})\/(\d{1,9})$/.exec(key.toString('latin1')) ?? []
  if (!digest) return undefined
  const push = text(headers, 'push') ?? ''
  if (value && value.length > 0) return { kind: 'chunk', digest, push, n: Number(number), value }
  const [ref, sha256] = [text(headers, 'ref'), text(headers, 'sha256')]
  const [chunks, bytes] = [whole(headers, 'chunks'), whole(headers, 'bytes')]
  if (ref === undefined || text(headers, 'digest') !== digest || !/^[0-9a-f]{64}$/.test(sha256 ?? '')) return undefined
  if (chunks === undefined || bytes === undefined || chunks < 1 || chunks !== Number(number)) return undefined
  return { kind: 'end', digest, push, ref: ref.replace(/\p{Cc}+/gu, ' '), chunks, bytes, sha256: sha256! }
}

function text(headers: Headers | undefined, name: string): string | undefined {
  const value = headers && Object.hasOwn(headers, name) ? headers[name] : undefined
  const [first] = Array.isArray(value) ? value : [value]
  return first === undefined || first.length > 300 ? undefined : first.toString()
}

function whole(headers: Headers | undefined, name: string): number | undefined {
  const digits = text(headers, name)
  return digits !== undefined && /^\d{1,15}$/.test(digits) ? Number(digits) : undefined
}
