import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { MillraceError } from '../../stages/errors.js'

/** The public half of a key whose signatures count, under the name that messages and events use for it. */
export interface TrustedKey {
  readonly name: string
  /** Ed25519, `-----BEGIN PUBLIC KEY-----` */
  readonly publicKeyPem: string
}

export interface Keys {
  readonly publicKeyPem: string
  /** `-----BEGIN PRIVATE KEY-----` (PKCS #8); keep it where only the signer reads */
  readonly privateKeyPem: string
}

/** A new pair of Ed25519 keys. */
export function generateKeys(): Keys {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

/** 64 bytes. Throws `usage` when the key is not a private Ed25519 key. */
export function signBytes(bytes: Uint8Array, privateKeyPem: string): Buffer {
  return sign(
    null,
    bytes,
    ed25519('the private key', () => createPrivateKey(privateKeyPem), 'usage'),
  )
}

/** The name of the trusted key that made the signature, if one did. Throws `config-invalid` for a key that is none. */
export function signerOf(bytes: Uint8Array, signature: Uint8Array, keys: readonly TrustedKey[]): string | undefined {
  return keys.find((key) => verify(null, bytes, publicKey(key), signature))?.name
}

function publicKey({ name, publicKeyPem }: TrustedKey): KeyObject {
  return ed25519(
    `the trusted key ${name}`,
    () => {
      // A public key can be computed from a private one, which has no business among the configuration of a worker.
      if (/PRIVATE KEY/.test(publicKeyPem)) throw new Error('it is a private key')
      return createPublicKey(publicKeyPem)
    },
    'config-invalid',
  )
}

function ed25519(what: string, read: () => KeyObject, code: 'usage' | 'config-invalid'): KeyObject {
  try {
    const key = read()
    if (key.asymmetricKeyType === 'ed25519') return key
    throw new Error(`it is ${key.asymmetricKeyType}`)
  } catch (cause) {
    throw new MillraceError(code, `${what} is not an Ed25519 key in PEM: ${(cause as Error).message}`, { cause })
  }
}
