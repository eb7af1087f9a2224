import { MillraceError } from '../../stages/errors.js'
import { type Bundle, readBundle } from './bundle.js'
import { createCatalogue, type Entry, isDigest, type Listed, listing } from './catalogue.js'
import { createStorage, type Storage, type StorageOptions } from './storage.js'

export type { Listed } from './catalogue.js'

export interface BundleStore extends Storage {
  /** Everything in the store, by reference; broken bundles say so. Throws `file-unreadable` when the store is not there. */
  list(): Promise<Listed[]>
  /**
   * Reads and verifies a bundle, by reference or by digest. Throws `model-unknown` when it is not there (and says what is), `bundle-invalid`
   * when the store has different bundles of that reference and no digest tells which, and what `readBundle` throws when the one that is
   * meant is broken.
   */
  load(ref: string, digest?: string): Promise<Bundle>
  /** What `load` would read, without reading it. Throws as `load` does. */
  find(ref: string, digest?: string): Promise<Listed>
}

/**
 * A store that is a folder with bundles in it: folders, `.tar.gz` and `.tgz` files that a person puts there, and archives that `put` writes
 * under their digest. Bundles may come and go under it; each is read whole once to list it and once more when it is loaded.
 */
export function openStore(directory: string, options: StorageOptions = {}): BundleStore {
  const catalogue = createCatalogue(directory)

  async function list(): Promise<Listed[]> {
    const listed = (await catalogue()).map(listing)
    return listed.sort((a, b) => a.ref.localeCompare(b.ref, 'en', { numeric: true }) || (a.path < b.path ? -1 : 1))
  }

  async function find(ref: string, digest?: string): Promise<Entry> {
    const entries = await catalogue()
    const isMeant = (entry: Entry) =>
      (entry.ref === ref || (isDigest(ref) && entry.digest === ref)) &&
      (digest === undefined || entry.digest === digest)
    const meant = entries.filter(isMeant)
    const sound = meant.filter(({ error }) => error === undefined)
    // The same bundle may lie here twice: a copy with a signature says more, and one that was put here was looked at.
    const first =
      sound.find(({ signed, byHand }) => signed && !byHand) ?? sound.find(({ signed }) => signed) ?? sound[0]
    if (!first) {
      if (meant[0]) throw meant[0].error
      const there = entries.map((entry) => (entry.ref === ref ? `${ref} with digest ${entry.digest}` : entry.ref))
      const holds = [...new Set(there)].sort().join(', ') || 'nothing'
      const wanted = digest === undefined ? ref : `${ref} with digest ${digest}`
      throw new MillraceError('model-unknown', `${wanted}; ${directory} holds ${holds}`)
    }
    const other = sound.find((entry) => entry.digest !== first.digest)
    if (other) {
      const twins = [first, other].map((entry) => `${entry.path} (${entry.digest})`).join(' and ')
      throw new MillraceError(
        'bundle-invalid',
        `${ref} means two different bundles: ${twins}; name the digest or remove one`,
      )
    }
    return first
  }

  async function load(ref: string, digest?: string): Promise<Bundle> {
    const found = await find(ref, digest)
    const bundle = await readBundle(found.path)
    if (bundle.digest === found.digest) return bundle
    throw new MillraceError('digest-mismatch', `${found.path} was changed while it was being loaded; try again`)
  }

  return {
    list,
    find: async (ref, digest) => listing(await find(ref, digest)),
    load,
    ...createStorage(directory, catalogue, find, options),
  }
}
