/** What docker/Dockerfile copies is enough to compile Millrace, and what it keeps is enough to run it. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { startProgram } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { buildImage, stepsOf } from '../fixtures/image.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/** Every file of the image with its digest, but for packages and what its volume holds. */
const filesOf = (image: string): Map<string, string> => {
  const files = readdirSync(image, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !path.includes('/bundles/'))
  const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
  return new Map(paths.map((path) => [path, digest(path)]))
}

test('an image with a bundle in it scores, needs nothing else, writes nothing into itself, and stops at its signal', {
  timeout: 300_000,
}, async () => {
  const [build, image, etc] = [await temporaryDirectory(), await temporaryDirectory(), await temporaryDirectory()]
  await buildImage(build, image, 'models/bundles/digits@1.tar.gz')
  const before = filesOf(image)
  expect(before.size).toBeGreaterThan(300)

  const deployment = await createDeployment()
  await deployment.sendDigits(50)
  const config = join(etc, 'config.yaml')
  await writeFile(config, stringify({ deployment: deployment.name, model: 'digits@1', bundles: { mutable: false } }))
  const [[entrypoint], [command]] = [stepsOf('runtime', 'ENTRYPOINT'), stepsOf('runtime', 'CMD')]
  const [node, program, ...args] = [...JSON.parse(entrypoint!), ...JSON.parse(command!)] as string[]
  expect(node).toBe('node')
  const environment = Object.fromEntries(stepsOf('runtime', 'ENV').map((line) => line.split('=')))
  const worker = startProgram(
    join(image, program!),
    args.map((arg) => arg.replace('/etc/millrace/config.yaml', config)),
    {
      directory: image,
      environment: { HOME: undefined, ...environment },
    },
  )
  await deployment.answered()
  const [signal] = stepsOf('runtime', 'STOPSIGNAL')
  worker.child.kill(signal as NodeJS.Signals)
  expect(await worker.finished).toMatchObject({ code: 0 })
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
  expect(filesOf(image)).toEqual(before)
})

test('its size is estimated from what is in it, and is what its document says', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    'docker/image-size.mjs',
    'models/bundles/digits@1.tar.gz',
  ])
  const mebibytes = new Map(
    [...stdout.matchAll(/^ +([\d.]+) MiB {2}(.*)$/gm)].map(([, size, name]) => [name!, Number(size)]),
  )
  const total = mebibytes.get('together')!
  mebibytes.delete('together')
  expect([...mebibytes.values()].reduce((sum, size) => sum + size, 0)).toBeCloseTo(total, -0.5)
  expect(mebibytes.get('node_modules/onnxruntime-node')).toBeGreaterThan(20)
  // The other platforms are left out, and so is what only compiles and tests.
  expect([...mebibytes.keys()].filter((name) => /typescript|vitest|vite$|playwright/.test(name))).toEqual([])
  const [, said] = /about (\d+) MiB/.exec(readFileSync('docker/README.md', 'utf8'))!
  expect(Math.abs(total - Number(said)) / total).toBeLessThan(0.1)
})
