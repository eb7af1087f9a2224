import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Readable } from 'node:stream'
import { MillraceError } from '../../stages/errors.js'
import type { Context } from './context.js'
import type { InputFormat } from './input-records.js'

/** A file or standard input, to be read from its beginning. */
export interface InputFile {
  /** for messages */
  readonly name: string
  readonly format: InputFormat
  /** bytes; undefined where the end is not known */
  readonly size: number | undefined
  /** Whoever opens it destroys it. Standard input can be opened once. */
  open(): Readable & { readonly bytesRead?: number }
}

/** The format is that of the ending, JSON lines where it says nothing. Throws `file-unreadable`. */
export const openInput = async (
  context: Context,
  file: string | undefined,
  format: InputFormat | undefined,
): Promise<InputFile> => {
  if (file === undefined) {
    if (context.stdin.isTTY) context.output.note('reading records from the terminal; Ctrl-D ends them')
    return { name: 'standard input', format: format ?? 'json', size: undefined, open: () => context.stdin }
  }
  try {
    const status = await stat(file)
    if (status.isDirectory()) throw new Error('it is a folder')
    return {
      name: file,
      format: format ?? (extname(file).toLowerCase() === '.csv' ? 'csv' : 'json'),
      size: status.isFile() ? status.size : undefined,
      open: () => createReadStream(file),
    }
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${file}: ${(cause as Error).message}`, { cause })
  }
}
