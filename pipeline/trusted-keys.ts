/** The keys whose signatures count, as the configuration names them. */
import { basename } from 'node:path'
import type { Config } from './config.js'
import { readPem } from './kafka-options.js'
import { signerOf, type TrustedKey } from './model/keys.js'

/** Throws `file-unreadable` for a file that is not there, and `config-invalid` for a key that is none. */
export const trustedKeysOf = async ({ trustedKeys }: Config['bundles' | 'control']): Promise<TrustedKey[]> => {
  const keys = await Promise.all(trustedKeys.map(async (key) => (typeof key === 'string' ? readKey(key) : key)))
  // No key has signed this, but each of them is looked at.
  signerOf(Buffer.alloc(0), Buffer.alloc(64), keys)
  return keys
}

/** Messages name a key by its file. */
const readKey = async (path: string): Promise<TrustedKey> => ({
  name: basename(path).replace(/\.(pub|pem)$/, ''),
  publicKeyPem: (await readPem(path))!,
})
