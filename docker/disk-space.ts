import { mkdir, statfs } from 'node:fs/promises'
import { MillraceError } from '../stages/errors.js'

/** Creates the folder where it is missing and checks that its file system has room. Errors: `disk-full`. */
export async function requireSpace(directory: string, megabytes: number): Promise<void> {
  await withDiskFull(directory, () => mkdir(directory, { recursive: true }))
  const { bavail, bsize } = await statfs(directory)
  const free = Math.floor((bavail * bsize) / 1_000_000)
  if (free < megabytes)
    throw new MillraceError('disk-full', `${directory} has ${free} MB left, ${megabytes} are needed`)
}

/** Runs something that writes below the folder; a lack of space becomes `disk-full`. */
export async function withDiskFull<T>(directory: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new MillraceError('disk-full', directory, { cause })
    throw cause
  }
}
