import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { kafkaAnswers } from './kafka.js'
import { isAlive, type ProcessIdentity } from './process-identity.js'
import { registryAnswers } from './registry.js'

/** `stack.json` in the data folder: written when the processes start, again when they are ready, removed by stop. */
export interface StackState {
  readonly ready: boolean
  /** addresses as Kafka clients take them, separated by commas */
  readonly brokers: string
  /** URL of Confluent's API */
  readonly registry: string
  readonly processes: { readonly kafka?: ProcessIdentity; readonly registry?: ProcessIdentity }
}

const stateFile = (dataDirectory: string): string => join(dataDirectory, 'stack.json')

export async function writeState(dataDirectory: string, state: StackState): Promise<void> {
  // Renamed into place: a reader sees the old state or the new one, never half of it.
  const draft = `${stateFile(dataDirectory)}.draft`
  await writeFile(draft, `${JSON.stringify(state, undefined, 2)}\n`)
  await rename(draft, stateFile(dataDirectory))
}

/** Undefined when there is none, or none that can be read. */
export async function readState(dataDirectory: string): Promise<StackState | undefined> {
  try {
    return JSON.parse(await readFile(stateFile(dataDirectory), 'utf8')) as StackState
  } catch {
    return undefined
  }
}

export async function removeState(dataDirectory: string): Promise<void> {
  await rm(stateFile(dataDirectory), { force: true })
}

/**
 * The addresses of the stack that runs on this data folder, ready to be used; undefined when none does. A state file
 * that a crash left behind is seen through: its processes are looked at, start time included, and both must answer.
 */
export async function findRunningStack(
  dataDirectory: string,
): Promise<{ brokers: string; registry: string } | undefined> {
  const state = await readState(dataDirectory)
  if (!state?.ready || !state.processes?.kafka || !state.processes.registry) return undefined
  const { brokers, registry, processes } = state
  const alive = await Promise.all(
    [processes.kafka, processes.registry].map((identity) => identity && isAlive(identity)),
  )
  if (!alive.every(Boolean)) return undefined
  const checks = await Promise.all([kafkaAnswers(brokers), registryAnswers(registry)])
  return checks.every(Boolean) ? { brokers, registry } : undefined
}
