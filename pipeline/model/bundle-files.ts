import { createHash } from 'node:crypto'

/** The manifest's own name; its digest is the bundle's. */
export const manifestFile = 'bundle.json'

export const requiredFiles = ['model.onnx', 'input.avsc', 'golden.jsonl'] as const
export const optionalFiles = ['preprocess.onnx', 'postprocess.onnx'] as const

/** Files that the manifest lists with their digests: a closed set, so that a name can never be a path. */
export const listedFiles = [...requiredFiles, ...optionalFiles] as const
export type ListedFile = (typeof listedFiles)[number]

/** Signs the manifest, so the manifest cannot list it. */
export const signatureFile = 'signature'

const known: ReadonlySet<string> = new Set([manifestFile, signatureFile, ...listedFiles])

/** Whether a bundle may hold a file of this name (exact, also in case). */
export const isBundleFile = (name: string): boolean => known.has(name)

/** A manifest names columns and digests; more than this is not one. */
export const maxManifestBytes = 4 * 1024 * 1024

/** Files that are read as text, and could otherwise be anything up to the size of a bundle. */
export const maxFileBytes: ReadonlyMap<string, number> = new Map([
  [manifestFile, maxManifestBytes],
  [signatureFile, 4096],
  ['input.avsc', 4 * 1024 * 1024],
  ['golden.jsonl', 256 * 1024 * 1024],
])

/** Lower-case hex. */
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
