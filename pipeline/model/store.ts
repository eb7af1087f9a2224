import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { MillraceError } from '../../stages/errors.js'
import { type Bundle, readBundleFiles, toBundle } from './bundle.js'
import { manifestFile, sha256 } from './bundle-files.js'
import { parseManifest } from './manifest.js'

/** One bundle of a store, sound or not. */
export interface Listed {
  /** name@version; the name of the file where that cannot be read */
  readonly ref: string
  /** empty where it cannot be read */
  readonly digest: string
  readonly path: string
  /** on disk */
  readonly bytes: number
  /** why it cannot be loaded, in one line */
  readonly problem?: string
}

export interface BundleStore {
  /** Everything in the store, by reference; broken bundles say so. Throws `file-unreadable` when the store is not there. */
  list(): Promise<Listed[]>
  /**
   * Reads and verifies a bundle. Throws `model-unknown` when it is not there (and says what is), `bundle-invalid` when the store has
   * different bundles of that reference and no digest tells which, and what `readBundle` throws when the one that is meant is broken.
   */
  load(ref: string, digest?: string): Promise<Bundle>
}

/** A store that is a folder with bundles in it: folders, `.tar.gz` and `.tgz` files. It is read anew each time, so bundles may come and go. */
export function openStore(directory: string): BundleStore {
  async function list(): Promise<Listed[]> {
    const listed: Listed[] = []
    for await (const { bundle: _, error: __, ...entry } of examine(directory)) listed.push(entry)
    return listed.sort((a, b) => a.ref.localeCompare(b.ref, 'en', { numeric: true }) || (a.path < b.path ? -1 : 1))
  }

  async function load(ref: string, digest?: string): Promise<Bundle> {
    const others: string[] = []
    const sound: { path: string; bundle: Bundle }[] = []
    let broken: unknown
    for await (const { bundle, error, ...entry } of examine(directory)) {
      if (entry.ref !== ref || (digest !== undefined && entry.digest !== digest)) {
        others.push(entry.ref === ref ? `${ref} with digest ${entry.digest}` : entry.ref)
      } else if (bundle) sound.push({ path: entry.path, bundle })
      else broken ??= error
    }
    const [first, ...rest] = sound
    if (!first) {
      if (broken) throw broken
      const wanted = digest === undefined ? ref : `${ref} with digest ${digest}`
      const there = [...new Set(others)].sort().join(', ') || 'nothing'
      throw new MillraceError('model-unknown', `${wanted}; ${directory} holds ${there}`)
    }
    const other = rest.find(({ bundle }) => bundle.digest !== first.bundle.digest)
    if (other) {
      const twins = [first, other].map(({ path, bundle }) => `${path} (${bundle.digest})`).join(' and ')
      throw new MillraceError(
        'bundle-invalid',
        `${ref} means two different bundles: ${twins}; name the digest or remove one`,
      )
    }
    return first.bundle
  }

  return { list, load }
}

interface Examined extends Listed {
  readonly bundle?: Bundle
  readonly error?: unknown
}

// One at a time: a bundle is held whole while it is looked at.
async function* examine(directory: string): AsyncGenerator<Examined> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${directory}: ${(cause as Error).message}`, { cause })
  }
  for (const name of names.sort()) {
    const path = join(directory, name)
    // Names that begin with a dot are half-written or belong to the machinery of a mounted volume.
    if (name.startsWith('.')) continue
    const status = await stat(path).catch(() => undefined)
    if (status && (status.isDirectory() || /\.(tar\.gz|tgz)$/.test(name))) yield await examineOne(path, status)
  }
}

async function examineOne(path: string, status: { isDirectory(): boolean; size: number }): Promise<Examined> {
  let ref = basename(path)
  let digest = ''
  let bytes = status.isDirectory() ? 0 : status.size
  try {
    const files = await readBundleFiles(path)
    if (status.isDirectory()) for (const file of files.values()) bytes += file.length
    const manifest = files.get(manifestFile)
    if (manifest) {
      const { name, version } = parseManifest(manifest)
      ref = `${name}@${version}`
      digest = sha256(manifest)
    }
    return { ref, digest, path, bytes, bundle: toBundle(path, files) }
  } catch (error) {
    return { ref, digest, path, bytes, problem: (error as Error).message, error }
  }
}
