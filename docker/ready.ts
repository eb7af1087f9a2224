import { MillraceError } from '../stages/errors.js'
import type { GuardedProcess } from './guardian.js'
import { lastMeaningfulLine, logMatches, noSpace, portInUse } from './log-tail.js'

export type Service = 'kafka' | 'registry'

const readyWithinMs = 90_000

/** The cause of a `port-taken` that the programs met, rather than the check before they started. */
export const portClash = Symbol('port clash')

/** Asks until there is an answer. Errors: `stack-failed`, `port-taken`, `disk-full`, or the signal's reason. */
export async function untilReady(
  name: Service,
  child: GuardedProcess,
  logFile: string,
  answers: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  let ended: number | undefined
  void child.exited.then((code) => {
    ended = code
  })
  const deadline = performance.now() + readyWithinMs
  while (!(await answers()) || ended !== undefined) {
    signal.throwIfAborted()
    if (ended !== undefined) throw await failure(name, `ended with code ${ended}`, logFile)
    if (performance.now() > deadline) throw await failure(name, 'gave no answer in time', logFile)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function failure(name: Service, what: string, logFile: string): Promise<MillraceError> {
  const detail = `${name} ${what}: ${await lastMeaningfulLine(logFile)} (${logFile})`
  if (await logMatches(logFile, noSpace)) return new MillraceError('disk-full', detail)
  if (await logMatches(logFile, portInUse)) return new MillraceError('port-taken', detail, { cause: portClash })
  return new MillraceError('stack-failed', detail)
}
