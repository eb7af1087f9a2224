import { existsSync, readFileSync } from 'node:fs'
import { MillraceError } from '../../stages/errors.js'

export type OurSchema = 'prediction' | 'model-command' | 'model-event' | 'fence' | 'late' | 'shadow'

/** `schemas/NAME.avsc` of this package, as parsed JSON. */
export function readOurSchema(name: OurSchema): unknown {
  // The sources stand two folders below the root of the package, what is compiled of them one folder further.
  for (const folder of ['../../schemas', '../../../schemas']) {
    const file = new URL(`${folder}/${name}.avsc`, import.meta.url)
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'))
  }
  throw new MillraceError('file-unreadable', `schemas/${name}.avsc is not where the package should have it`)
}
