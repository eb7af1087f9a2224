import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { markName } from './catalogue.js'

/**
 * Which bundles were verified on a machine of this kind: a small file for each beside the bundles, so that it outlasts the process. Its time
 * says when the bundle was used last.
 */
export interface VerifiedMarks {
  has(digest: string): Promise<boolean>
  /** Says it, again if need be. Never rejects: where the store cannot be written, a bundle is verified again after the next start. */
  add(digest: string): Promise<void>
}

/** What runs on one kind may crash on another: a store may be copied, or shared. */
const kind = `${process.platform} ${process.arch}, node ${process.versions.modules}`

export const verifiedMarks = (directory: string): VerifiedMarks => ({
  has: async (digest) => (await readFile(join(directory, markName(digest)), 'utf8').catch(() => '')) === kind,
  add: (digest) => writeFile(join(directory, markName(digest)), kind).catch(() => undefined),
})
