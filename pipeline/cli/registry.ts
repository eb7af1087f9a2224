/** The schema registry for a command: one that does not answer is waited for, but not for ever. */
import { setTimeout as delay } from 'node:timers/promises'
import { errors, MillraceError } from '../../stages/errors.js'
import { createRegistry, type SchemaRegistry } from '../avro/registry.js'
import type { Config } from '../config.js'
import { registryOptionsOf } from '../registry-options.js'
import type { Context } from './context.js'

const patienceMs = 5_000
const code = 'registry-unreachable'

/** Runs with a registry, which is closed afterwards. Rejects with `registry-unreachable` when it does not answer for a few seconds. */
export const withRegistry = async <T>(
  context: Context,
  config: Config,
  work: (registry: SchemaRegistry) => Promise<T>,
): Promise<T> => {
  const closing = new AbortController()
  const ended = new AbortController()
  const giveUp = () => closing.abort()
  context.signal.addEventListener('abort', giveUp, { once: true })
  let trouble: string | undefined
  const registry = createRegistry({
    ...(await registryOptionsOf(config)),
    signal: closing.signal,
    onState: (state, detail) => {
      const first = trouble === undefined && state === 'waiting'
      trouble = state === 'waiting' ? detail : undefined
      if (first)
        void delay(patienceMs, undefined, { signal: ended.signal }).then(
          () => trouble && giveUp(),
          () => undefined,
        )
    },
  })
  try {
    return await work(registry)
  } catch (error) {
    if (context.signal.aborted || trouble === undefined || !closing.signal.aborted) throw error
    throw new MillraceError(code, trouble.replace(`${errors[code].message}: `, ''), { cause: error })
  } finally {
    ended.abort()
    registry.close()
    context.signal.removeEventListener('abort', giveUp)
  }
}
