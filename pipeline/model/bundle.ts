import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../stages/errors.js'
import type { ScoringPlan } from '../../stages/ports.js'
import { type ArchiveLimits, archiveLimits, readArchive } from './archive.js'
import { isBundleFile, type ListedFile, listedFiles, manifestFile, sha256 } from './bundle-files.js'
import { type Manifest, parseManifest } from './manifest.js'
import { toScoringPlan } from './scoring-plan.js'

/** A bundle in memory: every file has the digest that the manifest states. Frozen. */
export interface Bundle {
  /** name@version */
  readonly ref: string
  /** SHA-256 of the bytes of `bundle.json`, which hold the SHA-256 of every other file */
  readonly digest: string
  readonly manifest: Manifest
  readonly plan: ScoringPlan
  /** by name, `bundle.json` included */
  readonly files: ReadonlyMap<string, Buffer>
}

/**
 * Reads a bundle from a folder or a `.tar.gz`. Throws `file-unreadable` when it is not there, `bundle-invalid` when it is not a bundle,
 * `digest-mismatch` when a file is not the one that the manifest means.
 */
export async function readBundle(path: string, limits: ArchiveLimits = archiveLimits): Promise<Bundle> {
  return toBundle(path, await readBundleFiles(path, limits))
}

/** The files of a folder or a `.tar.gz`, unchecked. Throws as `readBundle` does. */
export async function readBundleFiles(path: string, limits = archiveLimits): Promise<Map<string, Buffer>> {
  try {
    const isFolder = (await stat(path)).isDirectory()
    return await (isFolder ? readFolder(path, limits) : readArchive(path, limits))
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
  }
}

// Other files may lie in a folder (a README, the training script); links are followed, since mounted folders are made of them.
export async function readFolder(path: string, limits: ArchiveLimits): Promise<Map<string, Buffer>> {
  const names = (await readdir(path)).filter(isBundleFile).sort()
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(path, name))).size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total > limits.unpackedBytes)
    throw new MillraceError('bundle-invalid', `${path}: ${total} bytes; a bundle has at most ${limits.unpackedBytes}`)
  const files = new Map<string, Buffer>()
  for (const name of names) files.set(name, await readFile(join(path, name)))
  return files
}

/** Verifies files against the manifest among them. `path` is for messages. */
export function toBundle(path: string, files: ReadonlyMap<string, Buffer>): Bundle {
  const bytes = files.get(manifestFile)
  if (!bytes) throw new MillraceError('bundle-invalid', `${path}: ${manifestFile} is missing`)
  const manifest = named(path, () => parseManifest(bytes))
  checkListed(path, manifest, (name) => {
    const file = files.get(name)
    return file && sha256(file)
  })
  const plan = named(path, () => toScoringPlan(manifest, parseReaderSchema(files.get('input.avsc')!)))
  return Object.freeze({ ref: refOf(manifest), digest: sha256(bytes), manifest, plan, files })
}

export const refOf = ({ name, version }: Pick<Manifest, 'name' | 'version'>): string => `${name}@${version}`

/** Compares the files that are there with those that the manifest lists. `digestOf` gives undefined for a file that is not there. */
export function checkListed(
  path: string,
  manifest: Manifest,
  digestOf: (name: ListedFile) => string | undefined,
): void {
  for (const name of listedFiles) {
    const stated = manifest.files[name]
    const found = digestOf(name)
    if (stated === undefined) {
      if (found)
        throw new MillraceError('bundle-invalid', `${path}: ${name} is there, but ${manifestFile} does not list it`)
      continue
    }
    if (!found) throw new MillraceError('bundle-invalid', `${path}: ${name} is missing`)
    if (found !== stated)
      throw new MillraceError('digest-mismatch', `${path}: ${name} is ${found}, ${manifestFile} states ${stated}`)
  }
}

/** `input.avsc` as JSON; whether it is a schema is for the scoring plan to say. */
export function parseReaderSchema(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new MillraceError('bundle-invalid', 'input.avsc: not JSON', { cause })
  }
}

/** Puts the bundle's path before what is wrong in it. */
export function named<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof MillraceError)) throw cause
    throw new MillraceError(cause.code, `${path}: ${cause.detail}`, { cause })
  }
}
