/** Everything that comes from outside and is no record: how a sound one looks, how it is changed, and who judges it. */
import { bundleKinds } from './bundle-kinds.js'
import { commandKinds } from './command-kinds.js'
import { openCorpus } from './corpus.js'
import { documentKinds } from './document-kinds.js'
import type { Kind } from './fuzz.js'

export interface Kinds {
  readonly all: readonly Kind[]
  close(): Promise<void>
}

export async function createKinds(): Promise<Kinds> {
  const corpus = await openCorpus()
  const { kinds: bundles, close } = bundleKinds(corpus)
  return {
    all: [...documentKinds(corpus), ...bundles, ...commandKinds()],
    async close() {
      await close()
      await corpus.close()
    },
  }
}
