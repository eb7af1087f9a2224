/** `npm run docs`: makes the generated parts of the documents anew, in the folder it is called in. */
import { readFileSync, writeFileSync } from 'node:fs'
import { documents } from './documents.js'
import { withParts } from './parts.js'

for (const path of documents()) {
  const text = readFileSync(path, 'utf8')
  const made = withParts(text)
  if (made !== text) writeFileSync(path, made)
}
