import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { MillraceError } from '../../stages/errors.js'
import { type ArchiveLimits, archiveLimits, walkArchive } from './archive.js'
import { checkListed, named, parseReaderSchema, readFolder, refOf } from './bundle.js'
import { manifestFile, sha256, signatureFile } from './bundle-files.js'
import { type Manifest, parseManifest } from './manifest.js'
import { toScoringPlan } from './scoring-plan.js'

/** What can be said of a bundle without holding its models in memory. */
export interface Inspected {
  /** undefined where the manifest cannot be read */
  readonly ref?: string
  readonly digest?: string
  readonly manifest?: Manifest
  /** the small files: `bundle.json`, `input.avsc`, `signature` */
  readonly files: ReadonlyMap<string, Buffer>
  /** of all files, unpacked */
  readonly bytes: number
  /** why it is not a sound bundle: what `readBundle` would throw */
  readonly error?: unknown
}

const kept: ReadonlySet<string> = new Set([manifestFile, 'input.avsc', signatureFile])

/** Verifies a folder or a `.tar.gz` as `readBundle` does, file by file and chunk by chunk. Never rejects. */
export async function inspectBundle(path: string, limits: ArchiveLimits = archiveLimits): Promise<Inspected> {
  const digests = new Map<string, string>()
  const files = new Map<string, Buffer>()
  let bytes = 0
  const take = (name: string) => {
    const hash = createHash('sha256')
    const chunks: Buffer[] = []
    return {
      chunk(chunk: Buffer) {
        bytes += chunk.length
        hash.update(chunk)
        if (kept.has(name)) chunks.push(chunk)
      },
      end() {
        digests.set(name, hash.digest('hex'))
        if (kept.has(name)) files.set(name, Buffer.concat(chunks))
      },
    }
  }
  let known: Pick<Inspected, 'ref' | 'digest' | 'manifest'> = {}
  try {
    if ((await stat(path)).isDirectory()) await walkFolder(path, limits, take)
    else await walkArchive(path, limits, take)
    const manifestBytes = files.get(manifestFile)
    if (!manifestBytes) throw new MillraceError('bundle-invalid', `${path}: ${manifestFile} is missing`)
    const manifest = named(path, () => parseManifest(manifestBytes))
    known = { ref: refOf(manifest), digest: sha256(manifestBytes), manifest }
    checkListed(path, manifest, (name) => digests.get(name))
    named(path, () => toScoringPlan(manifest, parseReaderSchema(files.get('input.avsc')!)))
    return { ...known, files, bytes }
  } catch (cause) {
    const error =
      cause instanceof MillraceError
        ? cause
        : new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
    return { ...known, files, bytes, error }
  }
}

async function walkFolder(
  path: string,
  limits: ArchiveLimits,
  take: (name: string) => { chunk(chunk: Buffer): void; end(): void },
): Promise<void> {
  for (const [name, bytes] of await readFolder(path, limits)) {
    const sink = take(name)
    sink.chunk(bytes)
    sink.end()
  }
}
