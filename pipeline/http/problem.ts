/** Errors as `application/problem+json` (RFC 9457), all of them from the one table. */
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { type ErrorCode, MillraceError } from '../../stages/errors.js'
import { type Problem, problem as problemView } from '../rest-views.js'

export const problemType = 'application/problem+json'

/** What every address may answer with, for the OpenAPI document. */
export const problems = {
  default: { description: 'What is wrong', content: { [problemType]: { schema: problemView } } },
}

/** Codes that are not the server's fault, and those that say more than that it failed. */
const statuses: Partial<Record<ErrorCode, number>> = {
  'request-invalid': 400,
  usage: 400,
  'config-invalid': 422,
  'bundle-invalid': 422,
  'digest-mismatch': 422,
  'model-load-failed': 422,
  'model-unfit': 422,
  'signature-missing': 422,
  'signature-wrong': 422,
  'command-invalid': 422,
  'token-wrong': 401,
  'token-missing': 403,
  'store-immutable': 403,
  'host-refused': 421,
  'not-found': 404,
  'model-unknown': 404,
  'method-wrong': 405,
  'model-in-use': 409,
  'switch-pending': 409,
  'body-too-large': 413,
  'media-type-wrong': 415,
  'too-many-failures': 429,
  'too-busy': 503,
  'broker-unreachable': 503,
  'registry-unreachable': 503,
  'timed-out': 504,
  'store-full': 507,
  'disk-full': 507,
}

export const problemOf = (error: MillraceError): Problem => ({
  type: `urn:millrace:error:${error.code}`,
  title: error.message.slice(0, Math.max(0, error.message.length - error.detail.length - 2)) || error.message,
  status: statuses[error.code] ?? 500,
  detail: error.detail,
  code: error.code,
  retryable: error.retryable,
  remedy: error.remedy,
})

/** What fastify found wrong before any handler saw the request. */
const asMillraceError = (error: FastifyError): MillraceError => {
  if (error instanceof MillraceError) return error
  if (hasZodFastifySchemaValidationErrors(error)) {
    const lines = error.validation.map(({ instancePath, message }) =>
      [instancePath.slice(1).replaceAll('/', '.'), message].filter(Boolean).join(': '),
    )
    return new MillraceError('request-invalid', lines.join('; '))
  }
  const { statusCode = 500, message } = error
  if (statusCode === 413) return new MillraceError('body-too-large', message)
  if (statusCode === 415) return new MillraceError('media-type-wrong', message)
  if (statusCode >= 400 && statusCode < 500) return new MillraceError('request-invalid', message)
  // What went wrong inside is for the log, not for whoever asks.
  return new MillraceError('internal', 'see the log of the worker', { cause: error })
}

export const sendProblem = (error: FastifyError, reply: FastifyReply): MillraceError => {
  const known = asMillraceError(error)
  const problem = problemOf(known)
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="millrace"')
  reply.status(problem.status).type(problemType).serializer(JSON.stringify).send(problem)
  return known
}

/** What came is no request, so there is no reply either. */
export const answerNoRequest = ({ code, message }: Error & { readonly code: string }, socket: Socket): void => {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const body = JSON.stringify(problemOf(new MillraceError('request-invalid', message)))
  const head = `content-type: ${problemType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`
  socket.end(`HTTP/1.1 400 Bad Request\r\n${head}\r\n\r\n${body}`)
}

export interface ProblemOptions {
  readonly onInternal: (error: unknown) => void
}

export const addProblems = (app: FastifyInstance, { onInternal }: ProblemOptions): void => {
  const methods = new Map<string, { readonly pattern: RegExp; readonly allowed: Set<string> }>()
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[^/]+/g, '[^/]+')}$`)
    const known = methods.get(url) ?? { pattern, allowed: new Set() }
    for (const one of [method].flat()) known.allowed.add(one)
    methods.set(url, known)
  })

  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const known = sendProblem(error, reply)
    if (known.code === 'internal') onInternal(known.cause ?? error)
    return reply
  })

  // Before fastify looks at what comes with the request.
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return
    const path = request.url.split('?')[0]!
    const allowed = [...methods.values()].find(({ pattern }) => pattern.test(path))?.allowed
    if (allowed) reply.header('allow', [...allowed].sort().join(', '))
    const shown = `${request.method} ${path.slice(0, 200)}`
    throw new MillraceError(allowed ? 'method-wrong' : 'not-found', shown)
  })
}
