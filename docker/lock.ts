import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { identify, isAlive, type ProcessIdentity } from './process-identity.js'

export interface Lock {
  /** Gives the lock back. May be called twice. */
  release(): Promise<void>
}

export interface Held {
  /** who has it */
  readonly holder: ProcessIdentity
}

/**
 * Takes the lock file at `path` for this process, or says who holds it. The lock of a process that no longer runs is
 * stale and is taken over; so is one whose process number belongs to another program by now.
 *
 * The file is linked into place with its content, so nobody ever reads half of it.
 */
export async function tryLock(path: string): Promise<Lock | Held> {
  await mkdir(dirname(path), { recursive: true })
  const token = randomUUID()
  const draft = `${path}.${token}`
  const self = await identify(process.pid)
  if (!self) throw new Error('this process cannot be identified')
  await writeFile(draft, `${JSON.stringify({ ...self, token })}\n`)
  try {
    for (;;) {
      if (await linked(draft, path)) return { release: () => release(path, token) }
      const held = await read(path)
      if (!held) continue
      if (held.holder && (await isAlive(held.holder))) return { holder: held.holder }
      if (await takeOver(path, held.text, draft)) return { release: () => release(path, token) }
    }
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Puts the draft in the place of a stale lock. Who may do that is itself decided by a lock, held for a moment: else two
 * that saw the same stale file would each replace it, the second one the fresh lock of the first.
 */
async function takeOver(path: string, staleText: string, draft: string): Promise<boolean> {
  const right = await tryLock(`${path}.takeover`)
  if (!('release' in right)) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    return false
  }
  try {
    if ((await read(path))?.text !== staleText) return false
    await rename(draft, path)
    return true
  } finally {
    await right.release()
  }
}

async function release(path: string, token: string): Promise<void> {
  const held = await read(path)
  if (held?.token === token) await rm(path, { force: true })
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (code(error) === 'EEXIST') return false
    throw error
  }
}

async function read(path: string): Promise<{ text: string; holder?: ProcessIdentity; token?: string } | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (code(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const { pid, started, token } = JSON.parse(text) as Partial<ProcessIdentity & { token: string }>
    return pid && started ? { text, holder: { pid, started }, token } : { text }
  } catch {
    return { text }
  }
}

function code(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
