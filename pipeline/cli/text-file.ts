import { readFile } from 'node:fs/promises'
import { MillraceError } from '../../stages/errors.js'

/** Text of a key in PEM. Throws `file-unreadable`. */
export const readKey = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
  }
}
