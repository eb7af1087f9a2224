import { type ChildProcess, spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { identify, isAlive, type ProcessIdentity } from './process-identity.js'

export interface GuardedProcess {
  /** of the program itself, not of its guardian */
  readonly identity: ProcessIdentity
  /** resolves with the exit code (128 + the signal's number after a signal) once the program has ended */
  readonly exited: Promise<number>
  /** SIGTERM, then SIGKILL after the grace; resolves when the program is gone. May be called twice. */
  stop(): Promise<void>
}

export interface GuardedOptions {
  readonly command: string
  readonly arguments: readonly string[]
  readonly directory: string
  /** takes standard output and error; appended to */
  readonly logFile: string
  readonly graceSeconds: number
  readonly environment?: NodeJS.ProcessEnv
}

/**
 * The guardian: starts the program, tells its process number on descriptor 3, and waits for it. Beside it a watcher
 * reads a pipe whose other end only the parent has. The pipe closes when the parent asks for a stop, and just as well
 * when the parent ends in whatever way, SIGKILL included; then the program is stopped. Only built-ins of POSIX sh run
 * in the watcher while the pipe is open, so nothing is left over when the program ends first.
 *
 * The locale is set because Java reads paths by it, and because messages of the system are looked for in the logs.
 */
const guardianScript = `
grace=$1; shift
LC_ALL=C.UTF-8; export LC_ALL
exec 4<&0 </dev/null
"$@" 3>&- 4<&- &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
(
  trap - TERM INT HUP
  exec 3>&- >/dev/null 2>&1
  while read -r _ <&4; do :; done
  kill -TERM "$child"
  left=$((grace * 10))
  while [ "$left" -gt 0 ] && kill -0 "$child"; do sleep 0.1; left=$((left - 1)); done
  kill -KILL "$child"
) &
watcher=$!
exec 4<&-
echo "$child" >&3
exec 3>&-
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
kill -KILL "$watcher" 2>/dev/null
exit "$code"
`

/**
 * Runs a program that never outlives this process. Rejects when it cannot be started at all; a program that is not
 * found ends with code 127 and says so in the log.
 */
export async function spawnGuarded(options: GuardedOptions): Promise<GuardedProcess> {
  const log = await open(options.logFile, 'a')
  try {
    const guardian = spawn(
      '/bin/sh',
      ['-c', guardianScript, 'guardian', String(options.graceSeconds), options.command, ...options.arguments],
      {
        cwd: options.directory,
        env: options.environment,
        stdio: ['pipe', log.fd, log.fd, 'pipe'],
        // A session of its own: Ctrl-C in the terminal reaches the parent alone, which then stops things in order.
        detached: true,
      },
    )
    const ended = new Promise<number>((resolve, reject) => {
      guardian.once('error', reject)
      guardian.once('exit', (code) => resolve(code ?? 1))
    })
    ended.catch(() => {})
    const pid = await Promise.race([reportedPid(guardian), ended.then(() => undefined)])
    // A program that has ended already has no identity any more; its number alone will do.
    const identity = (pid && (await identify(pid))) || { pid: pid ?? 0, started: '' }
    // The guardian itself may be killed; then its watcher still holds the pipe, and the program is waited for by name.
    const exited = ended.then(async (code) => {
      guardian.stdin?.destroy()
      while (await isAlive(identity)) await new Promise((resolve) => setTimeout(resolve, 50))
      return code
    })
    guardian.stdin?.on('error', () => {})
    return {
      identity,
      exited,
      stop: async () => {
        guardian.stdin?.destroy()
        await exited
      },
    }
  } finally {
    await log.close()
  }
}

async function reportedPid(guardian: ChildProcess): Promise<number> {
  const report = guardian.stdio[3] as NodeJS.ReadableStream
  let text = ''
  for await (const chunk of report) text += chunk
  return Number.parseInt(text, 10)
}

/** Waits for the program's end and gives its code; when the signal aborts, before or meanwhile, stops it and rejects. */
export async function exitCode(guarded: GuardedProcess, signal: AbortSignal | undefined): Promise<number> {
  const stop = () => void guarded.stop()
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  const code = await guarded.exited.finally(() => signal?.removeEventListener('abort', stop))
  signal?.throwIfAborted()
  return code
}
