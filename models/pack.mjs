// Packs every folder in the first argument into the second: `node pack.mjs build bundles`.
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { packBundle } from '../dist/pipeline/model/pack.js'

const [folders, archives] = process.argv.slice(2)
await mkdir(archives, { recursive: true })
for (const ref of (await readdir(folders)).sort()) {
  const packed = await packBundle(join(folders, ref), join(archives, `${ref}.tar.gz`))
  if (packed.ref !== ref) throw new Error(`${ref} calls itself ${packed.ref}`)
  console.log(`${packed.ref} ${packed.digest} ${packed.bytes} bytes`)
}
