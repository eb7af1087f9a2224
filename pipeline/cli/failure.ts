/** How a command that failed says so: one line on standard error, and the exit code. */
import { CommanderError } from 'commander'
import pc from 'picocolors'
import { type ErrorCode, errors, MillraceError } from '../../stages/errors.js'

export const exitCodes = { done: 0, failed: 1, misuse: 2 } as const

/** The command has said everything itself; only the exit code is left. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}

/** Help and version end a program through an exception too, and are no failures. */
const isHelp = (error: unknown): boolean => error instanceof CommanderError && error.exitCode === 0

const misuse: ReadonlySet<ErrorCode> = new Set(['usage', 'config-invalid'])

export const exitCodeOf = (error: unknown): number => {
  if (isHelp(error)) return exitCodes.done
  if (error instanceof CommanderError) return exitCodes.misuse
  return error instanceof MillraceError && misuse.has(error.code) ? exitCodes.misuse : exitCodes.failed
}

/** Whatever was thrown, as an error of the table. */
export const describeFailure = (error: unknown): MillraceError => {
  if (error instanceof MillraceError) return error
  if (error instanceof CommanderError)
    return new MillraceError('usage', commanderDetail(error.message), { cause: error })
  if (error instanceof Error && error.name === 'AbortError')
    return new MillraceError('interrupted', 'before it was done')
  return new MillraceError('internal', error instanceof Error ? error.message : String(error), { cause: error })
}

/** "error: unknown option '--foo'\n(Did you mean --for?)" */
const commanderDetail = (message: string): string =>
  message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean $1?')

/** What goes to standard error; undefined when everything is said. */
export const failureText = (
  error: unknown,
  options: { json: boolean; verbose: boolean; color: boolean },
): string | undefined => {
  if (isHelp(error) || error instanceof CommandFailed) return undefined
  // Commander has printed the help already: a group was called without a command of it.
  if (error instanceof CommanderError && error.code === 'commander.help') return undefined
  const described = describeFailure(error)
  const { code, detail, remedy, stack, cause } = described
  if (options.json) return JSON.stringify({ error: { code, message: errors[code].message, detail, remedy } })
  const line = `${pc.createColors(options.color).red('millrace:')} ${described.line}`
  if (!options.verbose) return line
  return [line, stack, ...(cause instanceof Error ? [`caused by ${cause.stack}`] : [])].join('\n')
}
