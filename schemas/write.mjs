// Writes the JSON schemas that are made from the code: `npm run build && node schemas/write.mjs && npm run format`.
import { writeFile } from 'node:fs/promises'
import { manifestJsonSchema } from '../dist/pipeline/model/manifest-schema.js'

await writeFile(new URL('bundle.schema.json', import.meta.url), `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`)
