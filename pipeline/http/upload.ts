/** An archive as it arrives: into a file of its own, never into memory. */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MillraceError } from '../../stages/errors.js'

const mostAtOnce = 2
let underWay = 0

/**
 * Writes the body to a temporary file, calls `use` with its path and removes it again. Throws `body-too-large` as soon as there is more than
 * `maxBytes`, `too-busy` while others upload, `disk-full`, and what `use` throws.
 */
export const withUpload = async <T>(
  body: Readable | undefined,
  maxBytes: number,
  use: (path: string) => Promise<T>,
): Promise<T> => {
  if (!body) throw new MillraceError('request-invalid', 'there is no archive in it')
  if (underWay >= mostAtOnce) throw new MillraceError('too-busy', `${underWay} uploads are under way`)
  underWay++
  const folder = await mkdtemp(join(tmpdir(), 'millrace-upload-'))
  try {
    const path = join(folder, 'bundle.tar.gz')
    await pipeline(body, capped(maxBytes), createWriteStream(path)).catch((cause) => {
      if (cause.code === 'ENOSPC') throw new MillraceError('disk-full', cause.message, { cause })
      if (cause instanceof MillraceError) throw cause
      throw new MillraceError('request-invalid', `the upload broke off: ${cause.message}`, { cause })
    })
    return await use(path).catch((error) => {
      if (!(error instanceof MillraceError)) throw error
      throw new MillraceError(error.code, error.detail.replaceAll(path, 'the archive'), { cause: error })
    })
  } finally {
    underWay--
    await rm(folder, { recursive: true, force: true })
  }
}

const capped = (maxBytes: number): Transform => {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maxBytes) done(new MillraceError('body-too-large', `more than ${maxBytes} bytes`))
      else done(null, chunk)
    },
  })
}
