import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { MeasuredCost } from '../../stages/ports.js'
import { markName } from './catalogue.js'
import { measuredCosts } from './measured-costs.js'

/**
 * Which bundles were verified on a machine of this kind, and what they cost there: a small file for each beside the bundles, so that it outlasts
 * the process. Its time says when the bundle was used last.
 */
export interface VerifiedMarks {
  /** Undefined for what was not verified here. */
  of(digest: string): Promise<VerifiedMark | undefined>
  /**
   * Says it, again if need be; without `costs`, those that are known stay. Never rejects: where the store cannot be written, a bundle is
   * verified again after the next start.
   */
  add(digest: string, costs?: readonly MeasuredCost[]): Promise<void>
}

export interface VerifiedMark {
  /** by batch size, where it was measured */
  readonly costs?: readonly MeasuredCost[]
}

/** What runs on one kind may crash on another: a store may be copied, or shared. */
const kind = `${process.platform} ${process.arch}, node ${process.versions.modules}`

const mark = z.object({ kind: z.literal(kind), costs: measuredCosts.optional() })

export function verifiedMarks(directory: string): VerifiedMarks {
  const fileOf = (digest: string) => join(directory, markName(digest))
  const of: VerifiedMarks['of'] = async (digest) => {
    try {
      const { costs } = mark.parse(JSON.parse(await readFile(fileOf(digest), 'utf8')))
      return costs ? { costs } : {}
    } catch {
      return undefined
    }
  }
  return {
    of,
    async add(digest, costs) {
      const known = costs ?? (await of(digest))?.costs
      const text = JSON.stringify({ kind, ...(known && { costs: known }) })
      await writeFile(fileOf(digest), text).catch(() => undefined)
    },
  }
}
