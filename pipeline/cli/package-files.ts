/** Files of this package that commands use: data, bundles, schemas. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../../stages/errors.js'

/** The path of a file of the package, wherever it is installed; `path` is relative to the package. */
export const packageFile = (path: string): string => {
  // The sources stand two folders below the root of the package, what is compiled of them one folder further.
  for (const root of ['../../', '../../../']) {
    const file = new URL(`${root}${path}`, import.meta.url)
    if (existsSync(new URL(`${root}package.json`, import.meta.url)) && existsSync(file)) return fileURLToPath(file)
  }
  throw new MillraceError('file-unreadable', `${path} is not where the package should have it`)
}
