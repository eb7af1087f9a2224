// The size of the image before it is compressed, estimated from what docker/Dockerfile puts into it: node docker/image-size.mjs [BUNDLE.tar.gz …]
// After `npm run build`. Base: node:22-bookworm-slim as published, unpacked.
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const base = 225 * 2 ** 20
const left = /onnxruntime-node\/bin\/[^/]+\/(darwin|win32)(\/|$)/

/** Bytes of a file, or of all files in a folder but those that the Dockerfile removes. */
const bytes = (path, skip = () => false) => {
  if (left.test(path) || skip(path)) return 0
  const status = lstatSync(path)
  if (!status.isDirectory()) return status.size
  return readdirSync(path).reduce((sum, name) => sum + bytes(join(path, name), skip), 0)
}

// What is installed without tools, by the lock file; of packages for a platform only those that are here.
const { packages: locked } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
const packages = Object.keys(locked).filter((path) => path !== '' && !locked[path].dev && existsSync(path))
const parts = {
  'base image': base,
  ...Object.fromEntries(
    packages
      // What is inside another package is counted with itself.
      .map((path) => [path, bytes(path, (inner) => inner.endsWith('/node_modules'))]),
  ),
  dist: bytes('dist', (path) => path === 'dist/test'),
  schemas: bytes('schemas'),
  ...Object.fromEntries(process.argv.slice(2).map((bundle) => [bundle, bytes(bundle)])),
}
const rows = Object.entries(parts).sort(([, one], [, other]) => other - one)
const mebibytes = (count) => `${(count / 2 ** 20).toFixed(1).padStart(7)} MiB`
for (const [name, count] of rows.slice(0, 12)) console.log(`${mebibytes(count)}  ${name}`)
const rest = rows.slice(12)
console.log(`${mebibytes(rest.reduce((sum, [, count]) => sum + count, 0))}  ${rest.length} others`)
console.log(`${mebibytes(rows.reduce((sum, [, count]) => sum + count, 0))}  together`)
