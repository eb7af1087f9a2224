import { mkdir } from 'node:fs/promises'
import { type ErrorCode, MillraceError } from '../../stages/errors.js'
import { type Chunk, type ChunkRecord, type EndMarker, maxChunkBytes, readChunk } from './chunks.js'
import { openSpool, type Spool } from './spool.js'

/** An archive that arrived whole: its bytes are those that were sent; whether they are a bundle is for the store to say. */
export interface Arrived {
  /** of a file that is gone when `onBundle` has settled */
  readonly path: string
  /** name@version, as the sender says */
  readonly ref: string
  /** as the sender says: `store.put(path, { digest })` holds it against the content */
  readonly digest: string
  readonly bytes: number
}

export interface Refusal {
  readonly ref: string | undefined
  readonly digest: string | undefined
  readonly error: MillraceError
}

export interface AssemblerOptions {
  /** of one archive */
  readonly maxBytes: number
  /** where half-arrived archives lie: the folder of the store */
  readonly directory: string
  /** Rejects to refuse: what it rejects with goes to `onRefused`. */
  readonly onBundle: (arrived: Arrived) => Promise<unknown>
  readonly onRefused: (refusal: Refusal) => void
  /** Whether a bundle need not be assembled, for the store has it: asked once a push. A topic is read again at every start. */
  readonly has?: (digest: string) => boolean | Promise<boolean>
  /** a push of which nothing came for this long, by the timestamps of the records, is given up; ten minutes by default */
  readonly idleMs?: number
  /** pushes under way at once; one more, and the one that was silent longest is given up. 8 by default. */
  readonly maxPushes?: number
}

export interface Assembler {
  /** One record after the other, in the order of the topic; never rejects. `timestamp` in milliseconds. */
  feed(record: ChunkRecord & { readonly timestamp: number }): Promise<void>
  /** Gives up what has been silent for `idleMs`: to be called now and then while the topic is quiet. */
  expire(now: number): Promise<void>
  /** pushes under way */
  readonly open: number
  /** Gives up everything without a word and deletes the files. */
  close(): Promise<void>
}

interface Incoming {
  readonly id: string
  readonly digest: string
  readonly spool: Spool
  end: EndMarker | undefined
  lastSeen: number
}

/** Smaller chunks than a push makes are taken, but not so small that the list of them becomes the burden. */
const mostChunks = 1 << 16
/** How many pushes that are over are remembered, so that what still comes of them is passed over. */
const mostSettled = 1000

/**
 * Makes archives of the records of the models topic: pushes may interleave, chunks may come twice, in another order, after their end marker
 * or never. Memory holds one chunk and a list of places a push; files hold at most `maxBytes` twice for all pushes together.
 */
export function createAssembler(options: AssemblerOptions): Assembler {
  const { maxBytes, directory, onRefused, idleMs = 600_000, maxPushes = 8 } = options
  /** the least recently heard of first */
  const pushes = new Map<string, Incoming>()
  const settled = new Set<string>()
  let garbage = false
  let last = Promise.resolve()
  const alone = (run: () => Promise<void>): Promise<void> => {
    last = last.then(run, run)
    return last
  }

  async function feed(record: ChunkRecord & { readonly timestamp: number }): Promise<void> {
    await expire(record.timestamp)
    const said = readChunk(record)
    // The first of many says it all.
    if (!said && !garbage)
      onRefused({ ref: undefined, digest: undefined, error: incomplete('a record that is no chunk of a bundle') })
    garbage = !said
    if (!said) return
    const id = `${said.digest} ${said.push}`
    // Whoever does not name his push begins it again with its first chunk.
    if (said.push === '' && said.kind === 'chunk' && said.n === 0) settled.delete(id)
    if (settled.has(id)) return
    try {
      const incoming = pushes.get(id) ?? (await begin(id, said.digest))
      if (!incoming) return
      pushes.delete(id)
      pushes.set(id, incoming)
      incoming.lastSeen = Math.max(incoming.lastSeen, record.timestamp)
      if (said.kind === 'end') incoming.end = said
      else await incoming.spool.write(said.n, said.value)
      await judge(incoming, said)
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      const error = new MillraceError(code === 'ENOSPC' ? 'disk-full' : 'file-unreadable', message, { cause })
      await settle(id, { ref: undefined, digest: said.digest, error })
    }
  }

  async function begin(id: string, digest: string): Promise<Incoming | undefined> {
    if (await options.has?.(digest)) {
      await settle(id)
      return undefined
    }
    await mkdir(directory, { recursive: true })
    return { id, digest, spool: await openSpool(directory), end: undefined, lastSeen: 0 }
  }

  /** What is to become of a push now that this has come of it. */
  async function judge(incoming: Incoming, said: Chunk | EndMarker): Promise<void> {
    const { spool, end } = incoming
    const excess = tooMuch(spool, said)
    if (excess) return refuse(incoming, excess, 'bundle-invalid')
    await makeRoom(incoming)
    if (end && spool.chunks >= end.chunks && spool.missing(end.chunks).length === 0) await complete(incoming, end)
  }

  function tooMuch(spool: Spool, said: Chunk | EndMarker): string | undefined {
    const [bytes, chunks] = said.kind === 'end' ? [said.bytes, said.chunks] : [spool.size, said.n + 1]
    // The file also holds what came twice with different content.
    if (bytes > maxBytes || spool.bytes > 2 * maxBytes) return `${bytes} bytes; ${maxBytes} are allowed`
    if (chunks > mostChunks) return `${chunks} chunks; ${mostChunks} are allowed`
    if (said.kind === 'chunk' && said.value.length > maxChunkBytes)
      return `chunk ${said.n} has ${said.value.length} bytes; ${maxChunkBytes} are allowed`
    return undefined
  }

  async function makeRoom(incoming: Incoming): Promise<void> {
    const together = () => [...pushes.values()].reduce((sum, { spool }) => sum + spool.bytes, 0)
    while (pushes.size > maxPushes || (pushes.size > 1 && together() > 2 * maxBytes)) {
      const [oldest] = [...pushes.values()].filter((other) => other !== incoming)
      await giveUp(oldest!, 'too much was pushed at once')
    }
  }

  async function complete(incoming: Incoming, end: EndMarker): Promise<void> {
    const { path, bytes, sha256 } = await incoming.spool.finish(end.chunks)
    if (bytes !== end.bytes || sha256 !== end.sha256)
      return refuse(incoming, `${bytes} bytes with SHA-256 ${sha256} instead of ${end.bytes} with ${end.sha256}`)
    const { ref, digest } = end
    try {
      await options.onBundle({ path, ref, digest, bytes })
    } catch (cause) {
      const known = cause instanceof MillraceError
      const error = known ? cause : new MillraceError('internal', (cause as Error).message, { cause })
      return settle(incoming.id, { ref, digest, error })
    }
    return settle(incoming.id)
  }

  function refuse({ id, digest, end }: Incoming, why: string, code: ErrorCode = 'push-incomplete'): Promise<void> {
    const error = new MillraceError(code, `${end?.ref ?? `bundle ${digest}`}: ${why}`)
    return settle(id, { ref: end?.ref, digest, error })
  }

  function giveUp(incoming: Incoming, why: string): Promise<void> {
    const { spool, end } = incoming
    const lack = end ? `chunk ${spool.missing(end.chunks).join(', ')} of ${end.chunks} never came` : 'it never ended'
    return refuse(incoming, `${lack}; ${why}`)
  }

  /** Ends a push, with a refusal or without one. */
  async function settle(id: string, refusal?: Refusal): Promise<void> {
    const incoming = pushes.get(id)
    pushes.delete(id)
    settled.add(id)
    for (const oldest of settled) if (settled.size > mostSettled) settled.delete(oldest)
    await incoming?.spool.discard().catch(() => undefined)
    if (refusal) onRefused(refusal)
  }

  async function expire(now: number): Promise<void> {
    for (const incoming of [...pushes.values()])
      if (now - incoming.lastSeen > idleMs) await giveUp(incoming, `nothing came for ${idleMs} ms`)
  }

  return {
    feed: (record) => alone(() => feed(record)),
    expire: (now) => alone(() => expire(now)),
    get open() {
      return pushes.size
    },
    close: () =>
      alone(async () => {
        for (const { spool } of pushes.values()) await spool.discard().catch(() => undefined)
        pushes.clear()
      }),
  }
}

const incomplete = (what: string): MillraceError => new MillraceError('push-incomplete', what)
