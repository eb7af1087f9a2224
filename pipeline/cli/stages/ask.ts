/** What workers say of themselves over REST, for whoever wants to know where the time goes. Their answers are checked as any other input. */
import type { z } from 'zod'
import type { HttpSettings } from '../../config-http.js'
import { isLoopback } from '../../config-http.js'
import type { GroupMember } from '../../kafka/group-status.js'
import { status } from '../../rest-views.js'

const answer = status
  .pick({ worker: true, mainThread: true, deadline: true, fallback: true, stageCosts: true })
  .extend({
    pipe: status.shape.pipe.pick({ records: true, inFlight: true, closedBy: true, stages: true }),
  })

export interface Look extends z.output<typeof answer> {
  readonly url: string
  /** milliseconds, of the clock here */
  readonly at: number
}

export interface Unreached {
  readonly url: string
  readonly reason: string
}

export interface Looks {
  readonly looks: readonly Look[]
  readonly unreached: readonly Unreached[]
}

/** Where members of the group are to be found when they listen as these settings say. */
export const addressesOf = (members: readonly Pick<GroupMember, 'host'>[], http: HttpSettings): string[] => {
  const scheme = http.tls ? 'https' : 'http'
  const hosts = isLoopback(http.host) ? [http.host] : members.map(({ host }) => host)
  return [...new Set(hosts)].map((host) => `${scheme}://${host.includes(':') ? `[${host}]` : host}:${http.port}`)
}

const patienceMs = 3_000

/** Asks all of them at once. Never rejects: who does not answer is among `unreached`. */
export const askWorkers = async (urls: readonly string[], signal: AbortSignal): Promise<Looks> => {
  const looks: Look[] = []
  const unreached: Unreached[] = []
  const ask = async (url: string) => {
    try {
      const asked = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
      const response = await fetch(new URL('/v1/status', url), { signal: asked })
      if (!response.ok) throw new Error(`it answers with ${response.status}`)
      looks.push({ ...answer.parse(await response.json()), url, at: performance.now() })
    } catch (error) {
      unreached.push({ url, reason: reasonOf(error) })
    }
  }
  await Promise.all(urls.map(ask))
  return { looks: looks.sort((one, other) => one.worker.localeCompare(other.worker)), unreached }
}

const reasonOf = (error: unknown): string => {
  const { name, message, cause } = error as Error
  if (name === 'ZodError' || name === 'SyntaxError') return 'whatever listens there is no worker of this version'
  if (name === 'TimeoutError') return `no answer within ${patienceMs / 1_000} s`
  const code = (cause as { code?: string } | undefined)?.code
  return code === 'ECONNREFUSED' ? 'nothing listens there' : (code ?? message)
}
