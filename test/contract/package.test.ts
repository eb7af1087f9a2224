/** What `npm pack` would publish: complete, correctly typed, and nothing besides. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { extract } from 'tar'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { documents } from '../../pipeline/readme/documents.js'

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: readonly { readonly path: string }[]
}

let folder: string
let packed: Packed
/** the package as it is installed beside its dependencies, in a folder of its user */
let installed: string

const run = (program: string, args: readonly string[]): string => {
  try {
    return execFileSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8' })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${program}: ${stdout}${stderr}`)
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-package-'))
  const json = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  packed = JSON.parse(json)[0]
  installed = join(folder, 'node_modules', 'millrace')
  mkdirSync(installed, { recursive: true })
  await extract({ file: join(folder, packed.filename), cwd: installed, strip: 1 })
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  // Whoever does not score needs neither: they are not there, and nothing misses them.
  const { 'onnxruntime-node': _, fastify: __, ...needed } = dependencies
  for (const name of [...Object.keys(needed), '@types/node']) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(resolve('node_modules', name), link)
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('it holds what runs, its types, schemas, example bundles and documents, and is small', () => {
  const paths = packed.files.map(({ path }) => path)
  for (const path of [
    'README.md',
    'LICENSE',
    'dist/pipeline/index.js',
    'dist/pipeline/index.d.ts',
    'dist/stages/index.d.ts',
    'dist/pipeline/cli/main.js',
    'pipeline/docs/library.md',
    'schemas/prediction.avsc',
    'models/bundles/digits@1.tar.gz',
    'docker/pom.xml',
  ])
    expect(paths).toContain(path)
  const known = /^(dist\/|docker\/|models\/(bundles|data)\/|pipeline\/|schemas\/|README\.md$|LICENSE$|package\.json$)/
  const strange = /(^|\/)(test|recipe|node_modules)\/|(?<!\.d)\.ts$|\.(py|map|mjs)$|tsbuildinfo|(^|\/)\./
  expect(paths.filter((path) => !known.test(path) || strange.test(path))).toEqual([])
  expect(packed.size).toBeLessThan(1 << 20)
})

test('publint has nothing to say against it', async () => {
  const { messages, pkg } = await publint({ pkgDir: installed, strict: true, level: 'warning' })
  expect(messages.map((message) => formatMessage(message, pkg!))).toEqual([])
})

test('its types are right for whoever can import it: are the types wrong?', () => {
  const file = join(folder, packed.filename)
  const attw = resolve('node_modules/@arethetypeswrong/cli/dist/index.js')
  const options = ['--profile', 'esm-only', '--exclude-entrypoints', './schemas/*', '--format', 'ascii', '--no-emoji']
  // It fails where something is wrong; what it says is the proof that it looked.
  const said = run(attw, [file, ...options])
  for (const entry of ['"millrace"', '"millrace/stages"'])
    expect(said).toContain(`${entry}\n\nnode16 (from ESM): OK (ESM)`)
})

/** A program of a user, in a folder where the package is installed. */
const program = `
import { createClient, createPipeline, type Client, MillraceError, type Pipeline, type Prediction } from 'millrace'
import { createLeases, microBatch, type Decoded, type MicroBatch } from 'millrace/stages'
import type { Observable, OperatorFunction } from 'rxjs'

const settings = { deployment: 'typed', brokers: ['127.0.0.1:1'], registry: 'http://127.0.0.1:1' }
const client: Client = createClient(settings)
const pipeline: Pipeline = createPipeline({ ...settings, batch: { maxRecords: 128 } })
const gather: OperatorFunction<Decoded, MicroBatch> = microBatch({
  limits: () => pipeline.config.batch,
  leases: createLeases(),
})
const events: Observable<{ readonly worker: string }> = pipeline.events
export const labels = async (reading: AsyncGenerator<Prediction>): Promise<(string | null)[]> => {
  const all = []
  for await (const { label } of reading) all.push(label)
  return all
}
/** What the compiler refuses; nobody calls it. */
export const wrong = () => {
  // @ts-expect-error: there is no such setting
  createPipeline({ ...settings, batch: { maxRecord: 128 } })
  // @ts-expect-error: no field of these records
  void client.produce([{ id: 1 }], { key: 'name' })
  // @ts-expect-error: without waiting nobody knows the generation
  void client.switchTo('digits@2').then(({ generation }) => generation)
}
try {
  createClient({ ...settings, deployment: 'not a name' })
} catch (error) {
  if (error instanceof MillraceError) console.log(error.code, typeof gather, typeof events.subscribe)
}
await client.close()
await pipeline.stop()
`

test('a program of a user compiles against it, with every declaration checked, and runs without ONNX Runtime or a server', () => {
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'program.ts'), program)
  const tsc = resolve('node_modules/typescript/bin/tsc')
  const options = [
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--strict',
    '--types',
    'node',
    '--skipLibCheck',
    'false',
  ]
  run(tsc, ['program.ts', ...options])
  expect(run('program.js', [])).toBe('config-invalid function function\n')
})

test('every TypeScript that the documents show compiles against it', () => {
  const blocks = documents().flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text]) => text!),
  )
  expect(blocks.length).toBeGreaterThan(2)
  const files = blocks.map((text, index) => {
    writeFileSync(join(folder, `shown-${index}.ts`), text)
    return `shown-${index}.ts`
  })
  const tsc = resolve('node_modules/typescript/bin/tsc')
  run(tsc, [...files, '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--strict', '--types', 'node'])
})

test('the reference of what is exported is made without a warning, so that no type of it is out of reach', () => {
  execFileSync(
    process.execPath,
    ['node_modules/typedoc/bin/typedoc', '--options', 'pipeline/readme/typedoc.json', '--emit', 'none'],
    { stdio: 'pipe' },
  )
})

test('its command line runs where it is installed', () => {
  expect(run(join(installed, 'dist/pipeline/cli/main.js'), ['topics', '--help'])).toContain('millrace topics')
})
