import { stat } from 'node:fs/promises'
import { MillraceError } from '../../stages/errors.js'
import { writeArchive } from './archive.js'
import { type Bundle, named, readBundleFiles, toBundle } from './bundle.js'
import { listedFiles, manifestFile, requiredFiles, sha256, signatureFile } from './bundle-files.js'
import { parseDraft } from './manifest.js'

export interface Packed {
  /** name@version */
  readonly ref: string
  readonly digest: string
  readonly path: string
  readonly bytes: number
}

/**
 * Packs a folder into a `.tar.gz` whose manifest lists the files that are there now. The folder is not changed. The same folder gives the
 * same bytes, and a folder whose manifest is already right keeps its digest. Throws as `readBundle` does.
 */
export async function packBundle(directory: string, outFile: string): Promise<Packed> {
  const bundle = await sealFolder(directory)
  try {
    await writeArchive(outFile, bundle.files)
    return { ref: bundle.ref, digest: bundle.digest, path: outFile, bytes: (await stat(outFile)).size }
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${outFile}: ${(cause as Error).message}`, { cause })
  }
}

/** The bundle that a folder makes once its digests are filled in. */
export async function sealFolder(directory: string): Promise<Bundle> {
  return sealFiles(directory, await readBundleFiles(directory))
}

/** Fills in `files` of the manifest among `files`. `path` is for messages. */
export function sealFiles(path: string, files: ReadonlyMap<string, Buffer>): Bundle {
  const bytes = files.get(manifestFile)
  if (!bytes) throw new MillraceError('bundle-invalid', `${path}: ${manifestFile} is missing`)
  for (const name of requiredFiles)
    if (!files.has(name)) throw new MillraceError('bundle-invalid', `${path}: ${name} is missing`)
  const { raw } = named(path, () => parseDraft(bytes))
  const digests = Object.fromEntries(
    listedFiles.flatMap((name) => (files.has(name) ? [[name, sha256(files.get(name)!)]] : [])),
  )
  if (sameDigests(raw.files, digests)) return toBundle(path, files)
  const sealed = new Map(files)
  sealed.set(manifestFile, Buffer.from(`${JSON.stringify({ ...raw, files: digests }, null, 2)}\n`))
  // What signed the manifest as it was says nothing about this one.
  sealed.delete(signatureFile)
  return toBundle(path, sealed)
}

function sameDigests(stated: unknown, found: Record<string, string>): boolean {
  if (typeof stated !== 'object' || stated === null) return false
  const names = Object.keys(stated)
  return (
    names.length === Object.keys(found).length &&
    names.every((name) => (stated as Record<string, unknown>)[name] === found[name])
  )
}
