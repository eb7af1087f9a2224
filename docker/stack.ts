import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MillraceError } from '../stages/errors.js'
import { requireSpace, withDiskFull } from './disk-space.js'
import { findJava } from './java.js'
import { type ChildExit, launch } from './launch.js'
import { type Lock, tryLock } from './lock.js'
import { isAlive, type ProcessIdentity } from './process-identity.js'
import { resolveArtifacts } from './resolve.js'
import { readState, removeState } from './stack-state.js'

export type { ChildExit } from './launch.js'
export { findRunningStack } from './stack-state.js'

export interface StackOptions {
  /** downloads, shared by any number of stacks */
  readonly cacheDirectory: string
  /** what the stack remembers, and its logs */
  readonly dataDirectory: string
  /** begin with no topics and no schemas */
  readonly fresh?: boolean
  /** free ones by default */
  readonly kafkaPort?: number
  readonly registryPort?: number
  /** one line for people, now and then */
  readonly onProgress?: (line: string) => void
  /** search path and JAVA_HOME of the programs; those of this process by default */
  readonly environment?: NodeJS.ProcessEnv
  /** gives the start up; nothing is left running */
  readonly signal?: AbortSignal
}

export interface Stack {
  /** address as Kafka clients take it */
  readonly brokers: string
  /** URL of Confluent's API */
  readonly registry: string
  readonly dataDirectory: string
  readonly pids: { readonly kafka: number; readonly registry: number }
  /** resolves when a child dies by itself, with which; stays open after stop() */
  readonly exited: Promise<ChildExit>
  /** Ends both, gently at first; resolves when they are gone. May be called twice. */
  stop(): Promise<void>
}

const megabytesNeeded = 256

/**
 * Kafka and a schema registry on the loopback interface, ready for use. The caller stops them; if it ends without, in
 * whatever way, they are stopped all the same. Topics, records, groups and schemas are there again at the next start on
 * the same data folder.
 *
 * Errors: `java-missing`, `java-too-old`, `maven-missing`, `download-failed`, `disk-full`, `port-taken`,
 * `stack-running`, `stack-failed`.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { environment, signal, onProgress = () => {} } = options
  const dataDirectory = resolve(options.dataDirectory)
  const cacheDirectory = resolve(options.cacheDirectory)
  await requireSpace(dataDirectory, megabytesNeeded)
  const lock = await lockData(dataDirectory)
  try {
    const java = await findJava(environment)
    await endLeftovers(dataDirectory, onProgress)
    const artifacts = await resolveArtifacts({ cacheDirectory, onProgress, environment, signal })
    return await withDiskFull(dataDirectory, async () => {
      if (options.fresh) await wipe(dataDirectory)
      const { kafkaPort, registryPort } = options
      const ports = { kafkaPort, registryPort }
      const launched = await launch({ java, artifacts, dataDirectory, ports, onProgress, environment, signal })
      const stop = async () => {
        await launched.stop()
        await lock.release()
      }
      let stopped: Promise<void> | undefined
      return {
        ...launched,
        dataDirectory,
        stop: () => {
          stopped ??= stop()
          return stopped
        },
      }
    })
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function lockData(dataDirectory: string): Promise<Lock> {
  const lock = await withDiskFull(dataDirectory, () => tryLock(join(dataDirectory, 'stack.lock')))
  if ('release' in lock) return lock
  throw new MillraceError('stack-running', `process ${lock.holder.pid} uses ${dataDirectory}`)
}

/**
 * Programs of a stack whose parent died are on their way out, but Kafka takes a moment, and they hold files of this
 * folder. This process has the lock, so nobody needs them.
 */
async function endLeftovers(dataDirectory: string, onProgress: (line: string) => void): Promise<void> {
  const state = await readState(dataDirectory)
  const leftovers = Object.values(state?.processes ?? {})
  await Promise.all(leftovers.map((identity) => end(identity, onProgress)))
  await removeState(dataDirectory)
}

async function end(identity: ProcessIdentity, onProgress: (line: string) => void): Promise<void> {
  if (!(await isAlive(identity))) return
  onProgress(`ending process ${identity.pid} of a stack that was cut short`)
  const signals: [NodeJS.Signals, number][] = [
    ['SIGTERM', 12_000],
    ['SIGKILL', 5_000],
  ]
  for (const [signal, patience] of signals) {
    if (await isAlive(identity)) process.kill(identity.pid, signal)
    const deadline = performance.now() + patience
    while ((await isAlive(identity)) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Removes what a stack writes, and nothing else that may lie in the folder. */
async function wipe(dataDirectory: string): Promise<void> {
  for (const name of ['kafka', 'registry']) await rm(join(dataDirectory, name), { recursive: true, force: true })
}
