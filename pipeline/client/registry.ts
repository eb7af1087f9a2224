/** The schema registry for somebody who waits for an answer: one that is silent is waited for, but not for ever. */
import { setTimeout as delay } from 'node:timers/promises'
import type { MillraceError } from '../../stages/errors.js'
import { createRegistry, type SchemaRegistry } from '../avro/registry.js'
import type { Config } from '../config.js'
import { registryOptionsOf } from '../registry-options.js'
import type { Connection } from './connection.js'

const patienceMs = 5_000

export interface PatientRegistry {
  readonly registry: SchemaRegistry
  /** What ended the work, said as `registry-unreachable` where that is why. */
  explain(error: unknown): unknown
  close(): void
}

/** A registry that is given up, with everything that waits for it, when it does not answer for a few seconds. */
export const openRegistry = async (
  { signal }: Pick<Connection, 'signal'>,
  config: Config,
): Promise<PatientRegistry> => {
  const closing = new AbortController()
  const ended = new AbortController()
  const giveUp = () => closing.abort()
  signal.addEventListener('abort', giveUp, { once: true })
  let trouble: MillraceError | undefined
  const registry = createRegistry({
    ...(await registryOptionsOf(config)),
    signal: closing.signal,
    onState: (state, _, error) => {
      const first = trouble === undefined && state === 'waiting'
      trouble = state === 'waiting' ? error : undefined
      if (first)
        void delay(patienceMs, undefined, { signal: ended.signal }).then(
          () => trouble && giveUp(),
          () => undefined,
        )
    },
  })
  return {
    registry,
    explain(error) {
      return signal.aborted || !closing.signal.aborted ? error : (trouble ?? error)
    },
    close() {
      ended.abort()
      registry.close()
      signal.removeEventListener('abort', giveUp)
    },
  }
}

/** Runs with a registry, which is closed afterwards. Rejects with `registry-unreachable` when it does not answer for a few seconds. */
export const withRegistry = async <T>(
  connection: Pick<Connection, 'signal'>,
  config: Config,
  work: (registry: SchemaRegistry) => Promise<T>,
): Promise<T> => {
  const { registry, explain, close } = await openRegistry(connection, config)
  try {
    return await work(registry)
  } catch (error) {
    throw explain(error)
  } finally {
    close()
  }
}
