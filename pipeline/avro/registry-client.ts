import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import confluent from '@kafkajs/confluent-schema-registry'
import { MillraceError } from '../../stages/errors.js'
import { settles } from '../backoff.js'
import type { RegistryOptions } from './registry.js'
import { reasonOf } from './types.js'

export interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** What the registry says of a schema, as it says it. `id` and `version` are missing where they were asked for. */
export interface Answer {
  readonly schema: string
  readonly schemaType?: string
  readonly references?: readonly Reference[]
  readonly id?: number
  readonly version?: number
}

interface Limits {
  readonly signal: AbortSignal
}
type Response = Promise<{ data(): unknown }>

/** The client's own table of calls. */
interface Calls {
  readonly Schema: { find(request: Limits & { id: number }): Response }
  readonly Subject: {
    version(request: Limits & { subject: string; version: number | 'latest' }): Response
    register(request: Limits & { subject: string; body: { schema: string } }): Response
  }
}

/** One attempt each; undefined: the registry knows no such thing. Rejects with `registry-unreachable` where waiting may help. */
export interface RegistryClient {
  schema(id: number): Promise<Answer | undefined>
  version(subject: string, version: number | 'latest'): Promise<Answer | undefined>
  register(subject: string, schema: unknown): Promise<number>
  close(): void
}

/**
 * The calls of @kafkajs/confluent-schema-registry with a time-out and errors that say what happened. It is its table of calls that is used:
 * its methods write a compatibility level of their own into the registry, cache without bound, and hide versions.
 */
export function createRegistryClient({ url, auth, ca, timeoutMs = 5_000 }: RegistryOptions): RegistryClient {
  const Agent = url.startsWith('https:') ? HttpsAgent : HttpAgent
  const agent = new Agent({ keepAlive: true, maxSockets: 8, ...(ca !== undefined && { ca }) })
  const host = url.replace(/\/+$/, '')
  const client = new confluent.SchemaRegistry({
    host,
    agent,
    clientId: 'millrace',
    retry: { retries: 0 },
    ...(auth && { auth: { username: auth.username, password: auth.password } }),
  })
  const { Schema, Subject } = (client as unknown as { readonly api: Calls }).api

  /** The client never settles when a connection breaks in the middle of an answer, so it is not left alone with that. */
  async function call(request: (limits: Limits) => Response, where = host): Promise<Partial<Answer> | undefined> {
    const limit = new AbortController()
    try {
      const response = request({ signal: limit.signal })
      if (!(await settles(response, timeoutMs))) throw new Error(`no answer within ${timeoutMs} ms`)
      return ((await response).data() ?? {}) as Partial<Answer>
    } catch (error) {
      if (isAnswer(error) && error.status === 404) return undefined
      throw explained(error, where)
    } finally {
      limit.abort()
    }
  }

  return {
    schema: async (id) => checked(await call((limits) => Schema.find({ id, ...limits })), host),
    version: async (subject, version) =>
      checked(await call((limits) => Subject.version({ subject, version, ...limits })), host),
    async register(subject, schema) {
      const body = { schema: JSON.stringify(schema) }
      const answer = await call((limits) => Subject.register({ subject, body, ...limits }), `${host}, ${subject}`)
      if (typeof answer?.id !== 'number') throw notARegistry(host)
      return answer.id
    },
    close: () => agent.destroy(),
  }
}

interface ResponseError extends Error {
  readonly status: number
}

const isResponseError = (error: unknown): error is ResponseError =>
  error instanceof Error && typeof (error as Partial<ResponseError>).status === 'number'

/** A registry answers with words of its own; the client says "Error, status 400" where nothing, or something else, has answered. */
const isAnswer = (error: unknown): error is ResponseError =>
  isResponseError(error) && !/^\S+ - Error, status \d/.test(error.message)

/** Time-outs, overload and failures of its own store: the registry will be itself again. */
const passing = (status: number): boolean => status === 408 || status === 429 || status >= 500

function explained(error: unknown, host: string): MillraceError {
  if (error instanceof MillraceError) return error
  const reason = reasonOf(error).replace(/^\S+ - (Error, status 400: )?/, '')
  const detail = `${host}: ${reason}`
  if (!isResponseError(error)) return new MillraceError('registry-unreachable', detail, { cause: error })
  if (error.status === 401) return new MillraceError('credentials-refused', detail, { cause: error })
  if (error.status === 409 && isAnswer(error)) return new MillraceError('schema-incompatible', detail, { cause: error })
  if (error.status === 403) return new MillraceError('registry-refused', detail, { cause: error })
  const refused = isAnswer(error) && !passing(error.status)
  return new MillraceError(refused ? 'registry-refused' : 'registry-unreachable', detail, { cause: error })
}

function checked(answer: Partial<Answer> | undefined, host: string): Answer | undefined {
  if (answer === undefined) return undefined
  if (typeof answer.schema !== 'string') throw notARegistry(host)
  return answer as Answer
}

const notARegistry = (host: string): MillraceError =>
  new MillraceError('registry-unreachable', `${host}: what answers there is not a schema registry`)
