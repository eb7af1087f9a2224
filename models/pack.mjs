// Makes bundles of what the recipe exported: `node pack.mjs build/exports build/folders bundles`. The way a person goes with `millrace
// bundle init`, `pack` and `check`: init takes the graphs, rewires what skl2onnx ends in a ZipMap and proposes the rest; the recipe's own
// manifest, schema and golden cases take the place of what was proposed; then the folder is packed, and the archive has to pass every gate.
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkPath } from '../dist/pipeline/model/check.js'
import { initBundle } from '../dist/pipeline/model/init.js'
import { packBundle } from '../dist/pipeline/model/pack.js'
import { createScorer } from '../dist/pipeline/model/scorer.js'

const ownFiles = ['bundle.json', 'input.avsc', 'golden.jsonl']
const [exportsFolder, foldersFolder, archives] = process.argv.slice(2)
await mkdir(archives, { recursive: true })
for (const ref of (await readdir(exportsFolder)).sort()) {
  const exported = join(exportsFolder, ref)
  const folder = join(foldersFolder, ref)
  const archive = join(archives, `${ref}.tar.gz`)
  await init(ref, exported, folder)
  for (const file of ownFiles) await copyFile(join(exported, file), join(folder, file))
  const packed = await packBundle(folder, archive)
  if (packed.ref !== ref) throw new Error(`${ref} calls itself ${packed.ref}`)
  console.log(`${ref}: packed, ${packed.bytes} bytes, digest ${packed.digest}`)
  await check(ref, archive)
}

async function init(ref, exported, out) {
  const [name, version] = ref.split('@')
  const preprocess = join(exported, 'preprocess.onnx')
  const { notes } = await initBundle({
    model: join(exported, 'model.onnx'),
    ...(existsSync(preprocess) && { preprocess }),
    out,
    name,
    version,
  })
  for (const note of notes) console.log(`${ref}: ${note}`)
}

async function check(ref, archive) {
  const failed = (await checkPath(archive, createScorer)).filter(({ ok }) => !ok)
  if (failed.length > 0) throw new Error(`${ref}: ${failed.map(({ gate, detail }) => `${gate}: ${detail}`).join('; ')}`)
}
