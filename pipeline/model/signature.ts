import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../stages/errors.js'
import { writeArchive } from './archive.js'
import { readBundle } from './bundle.js'
import { manifestFile, signatureFile } from './bundle-files.js'
import { signBytes, signerOf, type TrustedKey } from './keys.js'

export { generateKeys, type Keys, type TrustedKey } from './keys.js'

/** The content of the file `signature`: Ed25519 over the bytes of the manifest, in base64. */
export function signManifest(manifest: Uint8Array, privateKeyPem: string): Buffer {
  return Buffer.from(`${signBytes(manifest, privateKeyPem).toString('base64')}\n`)
}

/**
 * Signs a packed archive or a folder whose manifest lists its files; the digest stays what it is. Throws as `readBundle` does, and `usage`
 * for a key that is none.
 */
export async function signBundle(path: string, privateKeyPem: string): Promise<{ ref: string; digest: string }> {
  const { ref, digest, files } = await readBundle(path)
  const signature = signManifest(files.get(manifestFile)!, privateKeyPem)
  try {
    if ((await stat(path)).isDirectory()) await writeFile(join(path, signatureFile), signature)
    else await writeArchive(path, new Map(files).set(signatureFile, signature))
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
  }
  return { ref, digest }
}

/**
 * The name of the trusted key that signed a bundle; undefined when no keys are trusted, for then nobody asks. Throws `signature-missing` and
 * `signature-wrong`. What the signature covers is the manifest, which holds the digests of all other files: the bundle has to be read first.
 */
export function verifySignature(
  { ref, files }: { readonly ref?: string; readonly files: ReadonlyMap<string, Buffer> },
  trustedKeys: readonly TrustedKey[],
): string | undefined {
  if (trustedKeys.length === 0) return undefined
  const file = files.get(signatureFile)
  if (!file) throw new MillraceError('signature-missing', `${ref} has no file '${signatureFile}'`)
  const text = file.toString('latin1').trim()
  const signature = /^[A-Za-z0-9+/]{86}==$/.test(text) ? Buffer.from(text, 'base64') : undefined
  if (!signature) throw new MillraceError('signature-wrong', `'${signatureFile}' of ${ref} is not 64 bytes in base64`)
  const signer = signerOf(files.get(manifestFile)!, signature, trustedKeys)
  if (signer === undefined)
    throw new MillraceError('signature-wrong', `${ref}; trusted are ${trustedKeys.map(({ name }) => name).join(', ')}`)
  return signer
}
