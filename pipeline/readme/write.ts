/** `npm run docs`: makes the generated parts of README.md anew, in the folder it is called in. */
import { readFileSync, writeFileSync } from 'node:fs'
import { withParts } from './parts.js'

writeFileSync('README.md', withParts(readFileSync('README.md', 'utf8')))
