import type { Stats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { MillraceError } from '../../stages/errors.js'
import { isBundleFile, signatureFile } from './bundle-files.js'
import { inspectBundle } from './inspect.js'

/** One bundle of a store, sound or not. */
export interface Listed {
  /** name@version; the name of the file where that cannot be read */
  readonly ref: string
  /** empty where it cannot be read */
  readonly digest: string
  readonly path: string
  /** on disk */
  readonly bytes: number
  /** whether it carries a signature; whose, and whether it is right, is not said */
  readonly signed: boolean
  /** whether a person put it there, under a name of their own: such a bundle is never collected */
  readonly byHand: boolean
  /** milliseconds since the epoch */
  readonly storedAt: number
  /** why it cannot be loaded, in one line */
  readonly problem?: string
}

/** With what only the store looks at. */
export interface Entry extends Listed {
  readonly signature?: Buffer
  readonly error?: unknown
}

export const listing = ({ error: _, signature: __, ...listed }: Entry): Listed => listed

/** Whether this is a digest and not a reference, which has an @. */
export const isDigest = (ref: string): boolean => /^[0-9a-f]{64}$/.test(ref)

/** The name under which a store keeps an archive that was put into it. */
export const storedName = (digest: string): string => `sha256-${digest}.tar.gz`
const storedPattern = /^sha256-[0-9a-f]{64}\.tar\.gz$/

/** Small files beside the bundles that say which digests are pinned. A leading dot keeps them out of every listing. */
export const pinName = (digest: string): string => `.pinned-${digest}`
/** Such a file as well: the bundle of this digest was verified. */
export const markName = (digest: string): string => `.verified-${digest}`
/** The beginning of the name of an archive that is still being written. */
export const incomingPrefix = '.incoming-'

/**
 * Looks at every bundle of a folder (folders, `.tar.gz` and `.tgz`), one after the other, in the order of their names. What was looked at
 * is remembered until its size, inode or times change, so that a listing costs a `stat` a bundle. The function rejects with
 * `file-unreadable` when the folder is not there.
 */
export function createCatalogue(directory: string): () => Promise<Entry[]> {
  let remembered = new Map<string, { readonly state: string; readonly entry: Entry }>()
  return async () => {
    const current: typeof remembered = new Map()
    for (const name of (await namesIn(directory)).sort()) {
      // Names that begin with a dot are half-written or belong to the machinery of a mounted volume.
      if (name.startsWith('.')) continue
      const path = join(directory, name)
      const status = await stat(path).catch(() => undefined)
      if (!status || !(status.isDirectory() || /\.(tar\.gz|tgz)$/.test(name))) continue
      const state = await stateOf(path, status)
      const known = remembered.get(path)
      if (known?.state === state) current.set(path, known)
      else {
        const entry = await examine(path, status)
        // What could not be read at all may be readable the next time, without a trace in its times.
        const unreadable = entry.error instanceof MillraceError && entry.error.code === 'file-unreadable'
        current.set(path, { state: unreadable ? '' : state, entry })
      }
    }
    remembered = current
    return [...current.values()].map(({ entry }) => entry)
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${directory}: ${(cause as Error).message}`, { cause })
  }
}

const fingerprint = ({ ino, size, mtimeMs, ctimeMs }: Stats): string => `${ino} ${size} ${mtimeMs} ${ctimeMs}`

/** What changes when the bundle does; of a folder, that of each of its files. */
async function stateOf(path: string, status: Stats): Promise<string> {
  if (!status.isDirectory()) return fingerprint(status)
  const names = (await readdir(path).catch(() => [])).filter(isBundleFile).sort()
  const states = names.map(async (name) => {
    const inner = await stat(join(path, name)).catch(() => undefined)
    return `${name} ${inner ? fingerprint(inner) : 'unreadable'}`
  })
  return ['folder', ...(await Promise.all(states))].join(', ')
}

async function examine(path: string, status: Stats): Promise<Entry> {
  const { ref, digest, bytes, files, error } = await inspectBundle(path)
  const signature = files.get(signatureFile)
  return {
    ref: ref ?? basename(path),
    digest: digest ?? '',
    path,
    bytes: status.isDirectory() ? bytes : status.size,
    signed: signature !== undefined,
    byHand: status.isDirectory() || !storedPattern.test(basename(path)),
    storedAt: status.mtimeMs,
    ...(signature && { signature }),
    ...(error !== undefined && { problem: (error as Error).message, error }),
  }
}
