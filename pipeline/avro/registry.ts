import { MillraceError } from '../../stages/errors.js'
import { createBackoff, unless } from '../backoff.js'
import { BoundedCache } from './bounded-cache.js'
import { type Answer, createRegistryClient } from './registry-client.js'
import { resolveReferences } from './schema-references.js'

export interface RegistryOptions {
  readonly url: string
  readonly auth?: { readonly username: string; readonly password: string }
  /** PEM text of the CA that signed the registry's certificate */
  readonly ca?: string
  /** of one request; default 5,000 */
  readonly timeoutMs?: number
  /** `waiting` is said with what is waited for, and the error behind it; `running` when it goes on */
  readonly onState?: (state: 'running' | 'waiting', detail: string, error?: MillraceError) => void
  /** closes the registry */
  readonly signal?: AbortSignal
}

export interface SchemaVersion {
  readonly version: number
  readonly id: number
  readonly schema: unknown
}

/**
 * Schemas by id and by subject. A registry that cannot be reached is waited for, for ever and visibly; promises reject only with
 * `credentials-refused`, `registry-refused` and `schema-incompatible`, and with `registry-unreachable` once it is closed.
 */
export interface SchemaRegistry {
  /** The schema (parsed JSON) of an id, if it is at hand. */
  known(id: number): unknown | undefined
  /** The schema of an id; undefined when the registry says that there is none, which is remembered for half a minute. */
  fetch(id: number): Promise<unknown | undefined>
  /** Registers under a subject, or finds it there; the id. */
  register(subject: string, schema: unknown): Promise<number>
  latest(subject: string): Promise<SchemaVersion | undefined>
  /** The newest hundred versions at most, oldest first. */
  versions(subject: string): Promise<SchemaVersion[]>
  /** Idempotent. */
  close(): void
}

const maxSchemas = 1_000
/** Ids that do not exist cost an attacker nothing, so that more of them are remembered, but not for long. */
const maxUnknown = 10_000
const unknownForMs = 30_000
const maxVersions = 100

export function createRegistry(options: RegistryOptions): SchemaRegistry {
  const client = createRegistryClient(options)
  const closing = new AbortController()
  const ask = createPatience(options, closing.signal)
  const schemas = new BoundedCache<number, { readonly schema: unknown }>(maxSchemas)
  const unknown = new BoundedCache<number, true>(maxUnknown, unknownForMs)
  const underway = new Map<number, Promise<unknown>>()

  async function fetch(id: number): Promise<unknown> {
    const schema = await ask(async () => {
      const answer = await client.schema(id)
      return answer && resolveReferences(answer, client)
    })
    if (schema === undefined) unknown.set(id, true)
    else schemas.set(id, { schema })
    return schema
  }

  async function versioned(subject: string, which: number | 'latest'): Promise<SchemaVersion | undefined> {
    const answer = await ask(() => client.version(subject, which))
    if (answer === undefined) return undefined
    const { version, id } = numbered(answer, options.url)
    return { version, id, schema: await ask(() => resolveReferences(answer, client)) }
  }

  const registry: SchemaRegistry = {
    known: (id) => schemas.get(id)?.schema,
    fetch(id) {
      const known = schemas.get(id)
      if (known || unknown.get(id)) return Promise.resolve(known?.schema)
      let fetching = underway.get(id)
      if (!fetching) {
        fetching = fetch(id).finally(() => underway.delete(id))
        underway.set(id, fetching)
      }
      return fetching
    },
    async register(subject, schema) {
      const id = await ask(() => client.register(subject, schema))
      schemas.set(id, { schema })
      return id
    },
    latest: (subject) => versioned(subject, 'latest'),
    async versions(subject) {
      const versions: SchemaVersion[] = []
      // The client has no call that lists them; versions that were deleted leave gaps.
      for (let version = await versioned(subject, 'latest'); version !== undefined; ) {
        versions.unshift(version)
        let before = version.version - 1
        version = undefined
        for (; before > 0 && version === undefined && versions.length < maxVersions; before--)
          version = await versioned(subject, before)
      }
      return versions
    },
    close() {
      closing.abort()
      client.close()
      schemas.clear()
    },
  }
  if (options.signal?.aborted) registry.close()
  options.signal?.addEventListener('abort', registry.close, { once: true })
  return registry
}

/** Repeats what meets an unreachable registry until it is there, says so, and gives up when `closed`. */
function createPatience({ url, onState }: RegistryOptions, closed: AbortSignal) {
  let waiting = 0
  return async <T>(request: () => Promise<T>): Promise<T> => {
    const backoff = createBackoff(100, 5_000)
    let waits = false
    try {
      while (!closed.aborted) {
        try {
          const answered = await unless(
            request().then((answer) => ({ answer })),
            closed,
          )
          if (answered) return answered.answer
        } catch (error) {
          if (!(error instanceof MillraceError) || error.code !== 'registry-unreachable') throw error
          if (!waits) waiting++
          waits = true
          if (!closed.aborted) onState?.('waiting', error.line, error)
          await backoff.wait(closed)
        }
      }
      throw new MillraceError('registry-unreachable', `${url}: closed`)
    } finally {
      if (waits && --waiting === 0 && !closed.aborted) onState?.('running', `${url} answers`)
    }
  }
}

function numbered({ version, id }: Answer, url: string): { version: number; id: number } {
  if (typeof version === 'number' && typeof id === 'number') return { version, id }
  throw new MillraceError('registry-refused', `${url}: a version without a number or an id`)
}
