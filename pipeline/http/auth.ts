/** Who may change something: whoever shows the token. Guessing is slowed down by address. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { MillraceError } from '../../stages/errors.js'
import type { HttpSettings } from '../config-http.js'

const mostFailures = 10
const forgottenAfterMs = 60_000
const mostAddresses = 1_000

export interface Auth {
  /**
   * Throws `token-missing` when none is configured, `token-wrong`, and `too-many-failures` (with the seconds to wait as `retryAfter`) when
   * too many wrong ones came from the address: then the right one is not looked at either.
   */
  check(authorization: string | undefined, address: string): Promise<void>
}

export class TooManyFailures extends MillraceError {
  constructor(
    address: string,
    readonly retryAfterSeconds: number,
  ) {
    super('too-many-failures', address)
  }
}

/** `token`: asked with every request, so that a token in a file can be replaced. */
export function createAuth(token: () => Promise<string | undefined>, now: () => number = Date.now): Auth {
  const failures = new Map<string, { count: number; until: number }>()

  const fail = (address: string): void => {
    const known = failures.get(address)
    if (known && known.until > now()) {
      known.count++
      return
    }
    failures.delete(address)
    if (failures.size >= mostAddresses) failures.delete([...failures.keys()][0]!)
    failures.set(address, { count: 1, until: now() + forgottenAfterMs })
  }

  return {
    async check(authorization, address) {
      const expected = await token()
      if (expected === undefined) throw new MillraceError('token-missing', 'this worker only shows')
      const known = failures.get(address)
      if (known && known.count >= mostFailures && known.until > now())
        throw new TooManyFailures(address, Math.ceil((known.until - now()) / 1_000))
      const given = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
      if (given !== undefined && sameText(given, expected)) return
      // Whoever sends none has not guessed.
      if (given !== undefined) fail(address)
      throw new MillraceError('token-wrong', given === undefined ? 'there is no bearer token' : 'it is another one')
    },
  }
}

/** In the same time, however much of it is right. */
const sameText = (one: string, other: string): boolean => {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}

/** The token of the settings, or that of their file as it is now. Throws `file-unreadable` and `config-invalid`. */
export const tokenOf = async ({
  token,
  tokenFile,
}: Pick<HttpSettings, 'token' | 'tokenFile'>): Promise<string | undefined> => {
  if (tokenFile === undefined) return token
  let text: string
  try {
    text = (await readFile(tokenFile, 'utf8')).trim()
  } catch (cause) {
    throw new MillraceError('file-unreadable', `http.tokenFile: ${(cause as Error).message}`, { cause })
  }
  if (!/^\S{16,}$/.test(text))
    throw new MillraceError(
      'config-invalid',
      `http.tokenFile: ${tokenFile} does not hold a token of 16 characters or more`,
    )
  return text
}
