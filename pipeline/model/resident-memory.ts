import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const everyMs = 50

/** Calls `onSample` with the resident memory of another process (MiB) twenty times a second, until stopped. */
export function watchMemory(pid: number | undefined, onSample: (mebibytes: number) => void): { stop(): void } {
  let stopped = pid === undefined
  let timer: NodeJS.Timeout | undefined
  const sample = async () => {
    const mebibytes = await residentMemory(pid!)
    if (stopped) return
    if (mebibytes !== undefined) onSample(mebibytes)
    timer = setTimeout(sample, everyMs)
  }
  if (!stopped) void sample()
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

/** Resident memory of a process in MiB; undefined when there is no such process, or no way to tell. */
export async function residentMemory(pid: number): Promise<number | undefined> {
  try {
    const kilobytes =
      process.platform === 'linux'
        ? /^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
        : (await run('ps', ['-o', 'rss=', '-p', String(pid)])).stdout.trim()
    return kilobytes ? Number(kilobytes) / 1024 : undefined
  } catch {
    return undefined
  }
}
