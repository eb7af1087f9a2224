import { readFile } from 'node:fs/promises'
import { MillraceError } from '../../stages/errors.js'

/** A text in UTF-8. Throws `file-unreadable`. */
export const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
  }
}
