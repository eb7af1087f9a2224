/** What every answer carries, and by which names this server may be called. */
import type { FastifyInstance } from 'fastify'
import { MillraceError } from '../../stages/errors.js'
import { isLoopback } from '../config-http.js'

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
}

export interface GuardOptions {
  /** where it listens */
  readonly host: string
  readonly names: readonly string[]
  readonly secure: boolean
}

export const addGuard = (app: FastifyInstance, { host, names, secure }: GuardOptions): void => {
  const known = new Set(['localhost', '127.0.0.1', '[::1]', host, ...names].map((name) => name.toLowerCase()))
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    if (secure) reply.header('strict-transport-security', 'max-age=31536000')
    // A web page anywhere may give its own name the address of this machine and read what is shown here; its name gives it away.
    const name = request.hostname.toLowerCase()
    if (isLoopback(host) && !known.has(name)) throw new MillraceError('host-refused', name.slice(0, 200))
  })
}
