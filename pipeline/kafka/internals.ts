/**
 * The one door to kafkajs's inner modules. kafkajs 2.2.4 is pinned, has no `exports` map and is no longer released, so its inner modules
 * hold still; another version is not patched at all, and what needs a patch falls back to the public interface.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** The release whose inner modules were read. */
const known = '2.2.4'

export const internalsKnown: boolean = (require('kafkajs/package.json') as { version: string }).version === known

let open = internalsKnown
/** `require` looks for the file anew each time */
const loaded = new Map<string, unknown>()

/** The inner module at `path` below kafkajs/src, or undefined for a release that nobody has read. */
export const internal = <T>(path: string): T | undefined => {
  if (!open) return undefined
  if (!loaded.has(path)) loaded.set(path, require(`kafkajs/src/${path}`))
  return loaded.get(path) as T
}

/** Patches the inner module at `path` when it is first called, and never again; does nothing on a release that nobody has read. */
export const patchOnce = <T>(path: string, patch: (module: T) => void): (() => void) => {
  let patched = false
  return () => {
    const module = patched ? undefined : internal<T>(path)
    if (module === undefined) return
    patched = true
    patch(module)
  }
}

/** Closes the door, before anything went through it: for measuring what the public interface alone costs. */
export const closeInternals = (): void => {
  open = false
}
