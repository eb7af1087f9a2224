/** What the REST listener shows of itself. */
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { MillraceError } from '../../stages/errors.js'
import type { HttpSettings } from '../config-http.js'

/** Throws `file-unreadable` for a file that is not there, and `config-invalid` for what is no certificate with its key. */
export const certificateOf = async ({ certFile, keyFile }: NonNullable<HttpSettings['tls']>) => {
  const [cert, key] = await Promise.all([readPem('certFile', certFile), readPem('keyFile', keyFile)])
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new MillraceError('config-invalid', `http.tls: ${(cause as Error).message}`, { cause })
  }
  return { cert, key }
}

const readPem = (name: string, file: string): Promise<string> =>
  readFile(file, 'utf8').catch((cause: Error) => {
    throw new MillraceError('file-unreadable', `http.tls.${name}: ${cause.message}`, { cause })
  })
