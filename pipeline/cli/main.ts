#!/usr/bin/env node
/**
 * The program: the one place that knows the process. Ctrl-C and SIGTERM ask the command to end in order; a second Ctrl-C ends it at once.
 */
import module from 'node:module'
import { exitCodeOf, exitCodes, failureText } from './failure.js'
import { wantsColors } from './output.js'
import { createProgram } from './program.js'
import type { Session } from './session.js'

// Compiled code is kept for the next start, where this Node can do that (22 and newer).
;(module as { enableCompileCache?: () => unknown }).enableCompileCache?.()

const lingerMs = 5_000

const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => {
    if (stopping.signal.aborted) process.exit(exitCodes.failed)
    stopping.abort()
  })
// `millrace consume | head -1`: the reader has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  stopping.abort()
})

const { env: environment, stdin, stdout, stderr } = process
const session: Session = { environment, stdin, stdout, stderr, signal: stopping.signal }
const args = process.argv.slice(2)
try {
  const program = await createProgram(session, args)
  await program.parseAsync(args.length === 0 ? ['--help'] : args, { from: 'user' })
} catch (error) {
  const [json, verbose] = [args.includes('--json'), args.includes('--verbose')]
  const text = failureText(error, { json, verbose, color: wantsColors(stderr, environment) && !json })
  if (text !== undefined) stderr.write(`${text}\n`)
  process.exitCode = exitCodeOf(error)
}
// The command has said everything: what a client library may still hold open does not hold whoever waits for it.
setTimeout(() => process.exit(), lingerMs).unref()
