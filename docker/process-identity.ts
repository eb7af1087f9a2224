import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/** A process for sure: its number, and when it started, since numbers are used again. */
export interface ProcessIdentity {
  readonly pid: number
  /** opaque; equal for two looks at the same process, different for two processes with the same number */
  readonly started: string
}

/** The identity of a running process; undefined when there is none with this number, or it is a zombie. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const started = (await startedByProc(pid)) ?? (await startedByPs(pid))
  return started ? { pid, started } : undefined
}

/** True while this very process runs; false once it ended, even when its number belongs to another one by now. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.started === identity.started
}

/** Linux: the boot's id and the start in clock ticks since boot. */
async function startedByProc(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ])
    // The command's name, in parentheses, may hold anything: count the fields from behind it. The first is the state.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return `${boot.trim()} ${fields[19]}`
  } catch {
    return undefined
  }
}

/** Elsewhere (macOS, BSD): the state and the start as ps prints them. */
async function startedByPs(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return undefined
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)])
    const [, state, started] = /^\s*(\S+)\s+(.*\S)\s*$/.exec(stdout) ?? []
    return state?.startsWith('Z') ? undefined : started
  } catch {
    return undefined
  }
}
