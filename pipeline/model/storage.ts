import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../stages/errors.js'
import { type ArchiveLimits, archiveLimits } from './archive.js'
import { signatureFile } from './bundle-files.js'
import {
  type Entry,
  incomingPrefix,
  isDigest,
  type Listed,
  listing,
  markName,
  pinName,
  storedName,
} from './catalogue.js'
import { type Inspected, inspectBundle } from './inspect.js'

export interface StorageOptions {
  /** what the archives that were put here may have together; without it the disk is the limit */
  readonly maxStoreBytes?: number
  readonly limits?: ArchiveLimits
  /** false: the bundles are those of the image; `put`, `remove` and `collect` throw `store-immutable`. True by default. */
  readonly mutable?: boolean
  /** Looks at a sound archive before it is kept: throw, and it is refused. Where keys are configured, signatures are verified here. */
  readonly accept?: (bundle: Inspected) => void
}

export interface Put {
  /** name@version */
  readonly ref: string
  readonly digest: string
  readonly path: string
  /** false when the store had the bundle already */
  readonly stored: boolean
}

/** What changes a store. References may be digests everywhere. */
export interface Storage {
  /**
   * Verifies an archive (its bytes, or the path of a file that is copied) and keeps it under its digest: complete and on disk, or not at all.
   * Throws what `readBundle` throws, `digest-mismatch` when it is not the bundle that is expected, `store-full`, `disk-full`, and what
   * `accept` throws.
   */
  put(archive: Buffer | string, expected?: { readonly ref?: string; readonly digest?: string }): Promise<Put>
  /** Removes a bundle; `keep` are digests that may not go. Throws `model-unknown`, and `model-in-use` for one that is kept or pinned. */
  remove(ref: string, keep?: Iterable<string>): Promise<Listed>
  /** Keeps a bundle from being collected, across restarts. */
  pin(ref: string): Promise<void>
  unpin(ref: string): Promise<void>
  /** Digests. */
  pinned(): Promise<Set<string>>
  /** Removes every archive that was put here and is neither named in `keep` (digests), nor pinned, nor younger than `graceMs`,
   * nor marked as used since. */
  collect(options: { keep: Iterable<string>; graceMs?: number }): Promise<Listed[]>
}

/** What was left half-written longer ago than this belongs to a process that is gone. */
const abandonedMs = 3_600_000

export function createStorage(
  directory: string,
  catalogue: () => Promise<Entry[]>,
  find: (ref: string) => Promise<Entry>,
  options: StorageOptions,
): Storage {
  const limits = options.limits ?? archiveLimits
  let last: Promise<unknown> = Promise.resolve()
  /** One change at a time: two archives that fit alone may not fit together. */
  const alone = <T>(run: () => Promise<T>): Promise<T> => {
    const result = last.then(run)
    last = result.catch(() => undefined)
    return result
  }
  const changeable = () => {
    if (options.mutable === false) throw new MillraceError('store-immutable', directory)
  }

  async function put(archive: Buffer | string, expected: { ref?: string; digest?: string } = {}): Promise<Put> {
    changeable()
    const partial = join(directory, `${incomingPrefix}${randomUUID()}`)
    try {
      const size = typeof archive === 'string' ? (await stat(archive)).size : archive.length
      if (size > limits.packedBytes)
        throw new MillraceError('bundle-invalid', `${size} bytes; a bundle has at most ${limits.packedBytes}`)
      await mkdir(directory, { recursive: true })
      const entries = await catalogue()
      if (typeof archive === 'string') await copyFile(archive, partial)
      else await writeFile(partial, archive)
      const inspected = await inspectBundle(partial, limits)
      if (inspected.error) throw inspected.error
      const { ref, digest, files } = inspected as Required<Inspected>
      if ((expected.digest ?? digest) !== digest || (expected.ref ?? ref) !== ref)
        throw new MillraceError(
          'digest-mismatch',
          `${partial}: it is ${ref} (${digest}), not ${expected.ref ?? ref} (${expected.digest ?? digest})`,
        )
      options.accept?.(inspected)
      const there = entries.find((entry) => entry.digest === digest && entry.error === undefined)
      // The digest does not cover the signature: a copy that is signed, or signed anew, takes the place of the one that is there.
      const signature = files.get(signatureFile)
      if (there && (!signature || there.signature?.equals(signature)))
        return { ref, digest, path: there.path, stored: false }
      makeRoom(entries, digest, size)
      const path = join(directory, storedName(digest))
      await synced(partial)
      await rename(partial, path)
      await synced(directory)
      return { ref, digest, path, stored: true }
    } catch (cause) {
      throw namedAs(typeof archive === 'string' ? archive : 'the archive', partial, cause)
    } finally {
      await rm(partial, { force: true })
    }
  }

  function makeRoom(entries: readonly Entry[], digest: string, size: number): void {
    if (options.maxStoreBytes === undefined) return
    const others = entries.filter((entry) => !entry.byHand && entry.path !== join(directory, storedName(digest)))
    const used = others.reduce((sum, { bytes }) => sum + bytes, 0)
    if (used + size > options.maxStoreBytes)
      throw new MillraceError(
        'store-full',
        `${size} bytes on top of ${used} in ${directory}, which may hold ${options.maxStoreBytes}`,
      )
  }

  async function remove(ref: string, keep: Iterable<string> = []): Promise<Listed> {
    changeable()
    // What is broken has to be removable too, so this is not `find`.
    const meant = (await catalogue()).filter((entry) => entry.ref === ref || entry.digest === ref)
    const found = new Set(meant.map(({ digest, path }) => digest || path)).size === 1 ? meant[0]! : await find(ref)
    if (new Set(keep).has(found.digest)) throw new MillraceError('model-in-use', `${found.ref} (${found.digest})`)
    if ((await pinned()).has(found.digest)) throw new MillraceError('model-in-use', `${found.ref} is pinned`)
    for (const { path } of meant.filter(({ digest }) => digest === found.digest)) {
      if ((await stat(path)).isDirectory())
        throw new MillraceError('usage', `${path} is a folder that somebody put there; remove it by hand`)
      await rm(path)
    }
    await rm(join(directory, markName(found.digest)), { force: true })
    return listing(found)
  }

  async function pinned(): Promise<Set<string>> {
    const names = await readdir(directory).catch(() => [])
    const prefix = pinName('')
    return new Set(names.flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : [])))
  }

  async function collect({ keep, graceMs = 0 }: { keep: Iterable<string>; graceMs?: number }): Promise<Listed[]> {
    changeable()
    const kept = new Set([...keep, ...(await pinned())])
    const removed: Listed[] = []
    for (const entry of await catalogue()) {
      const digest = entry.path.match(/sha256-([0-9a-f]{64})/)?.[1]
      if (entry.byHand || kept.has(digest ?? '') || Date.now() - (await lastUse(entry)) < graceMs) continue
      await rm(entry.path, { force: true })
      await rm(join(directory, markName(entry.digest)), { force: true })
      removed.push(listing(entry))
    }
    for (const name of await readdir(directory)) {
      if (!name.startsWith(incomingPrefix)) continue
      const status = await stat(join(directory, name)).catch(() => undefined)
      if (status && Date.now() - status.mtimeMs > abandonedMs) await rm(join(directory, name), { force: true })
    }
    return removed
  }

  /** When it was put here, or when somebody who may share this folder used it last. */
  const lastUse = async ({ digest, storedAt }: Entry): Promise<number> => {
    const mark = await stat(join(directory, markName(digest))).catch(() => undefined)
    return Math.max(storedAt, mark?.mtimeMs ?? 0)
  }

  return {
    put: (archive, expected) => alone(() => put(archive, expected)),
    remove: (ref, keep) => alone(() => remove(ref, keep)),
    collect: (given) => alone(() => collect(given)),
    async pin(ref) {
      await writeFile(join(directory, pinName((await find(ref)).digest)), '')
    },
    async unpin(ref) {
      const digest = isDigest(ref) ? ref : (await find(ref)).digest
      await rm(join(directory, pinName(digest)), { force: true })
    },
    pinned,
  }
}

/** Makes what was written to a file, or renamed in a folder, outlast a power cut. */
async function synced(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The error of a put, with the name that the caller knows instead of that of the copy. */
function namedAs(name: string, partial: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError)
    return new MillraceError(cause.code, cause.detail.replaceAll(partial, name), { cause: cause.cause })
  const { code, message } = cause as NodeJS.ErrnoException
  return new MillraceError(code === 'ENOSPC' ? 'disk-full' : 'file-unreadable', message, { cause })
}
