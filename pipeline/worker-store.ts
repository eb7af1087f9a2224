/** The bundles that a worker has on its disk. */
import type { Config } from './config.js'
import { type TrustedKey, verifySignature } from './model/signature.js'
import { type BundleStore, openStore } from './model/store.js'
import { trustedKeysOf } from './trusted-keys.js'

export interface WorkerStore {
  readonly store: BundleStore
  readonly trustedKeys: readonly TrustedKey[]
}

/** Takes in nothing that no trusted key signed, where there are any. Throws as `trustedKeysOf` does. */
export async function openWorkerStore({ bundles }: Pick<Config, 'bundles'>): Promise<WorkerStore> {
  const { directory, mutable, maxStoreBytes } = bundles
  const trustedKeys = await trustedKeysOf(bundles)
  const store = openStore(directory, {
    mutable,
    maxStoreBytes,
    accept: (bundle) => void verifySignature(bundle, trustedKeys),
  })
  return { store, trustedKeys }
}
