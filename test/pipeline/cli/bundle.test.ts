import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { millrace, millraceJson } from '../../fixtures/cli.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

const store = resolve('models/bundles')

test('from an .onnx file to a bundle in the store: init, check, pack, verify, inspect, rm', async () => {
  const directory = await temporaryDirectory()
  const model = resolve('test/fixtures/exported/sklearn-logistic-regression.onnx')
  const made = await millrace(['bundle', 'init', model, 'mine@1'], { directory })
  expect([made.code, made.stderr]).toEqual([0, ''])
  expect(made.stdout).toContain('millrace bundle check mine@1')

  expect((await millrace(['bundle', 'check', 'mine@1'], { directory })).stdout).toMatch(/✓ golden +1 case agrees/)
  await mkdir(join(directory, 'store'))
  const packed = await millraceJson<{ digest: string }>(['bundle', 'pack', 'mine@1', '--out', 'store/mine@1.tar.gz'], {
    directory,
  })
  const environment = { MILLRACE_BUNDLES_DIRECTORY: 'store' }
  const verified = await millraceJson<{ ok: boolean }>(['models', 'verify', packed.digest], { directory, environment })
  expect(verified.ok).toBe(true)
  const inspected = await millrace(['models', 'inspect', 'mine@1'], { directory, environment })
  expect(inspected.stdout).toContain(packed.digest)
  await millraceJson(['models', 'rm', 'mine@1'], { directory, environment })
  expect(await millraceJson(['models', 'list'], { directory, environment })).toEqual({ models: [] })
})

test('a bundle that no gate lets pass is a failure that says which, for people and for machines', async () => {
  const directory = await temporaryDirectory()
  const model = resolve('test/fixtures/exported/sklearn-logistic-regression.onnx')
  await millraceJson(['bundle', 'init', model, 'mine@1'], { directory })
  await writeFile(join(directory, 'mine@1/input.avsc'), '{"type":"record","name":"r","fields":[]}')
  const { code, stdout, stderr } = await millrace(['bundle', 'check', 'mine@1'], { directory })
  expect([code, stderr]).toEqual([1, ''])
  expect(stdout).toMatch(/^✗ read +.*input\.avsc/m)
  const json = await millrace(['bundle', 'check', 'mine@1', '--json'], { directory })
  expect(json.code).toBe(1)
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, gates: [{ gate: 'read', ok: false }, { gate: 'limits' }] })
})

test('init writes over nothing by itself, and a name without a version is misuse', async () => {
  const directory = await temporaryDirectory()
  const model = resolve('test/fixtures/exported/sklearn-linear-regression-two-targets.onnx')
  await millraceJson(['bundle', 'init', model, 'mine@1'], { directory })
  const again = await millrace(['bundle', 'init', model, 'mine@1'], { directory })
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('--force writes over it')])
  const manifest = await readFile(join(directory, 'mine@1/bundle.json'), 'utf8')
  expect(manifest).toContain('"version": "1"')
  const nameless = await millrace(['bundle', 'init', model, 'mine'], { directory })
  expect([nameless.code, nameless.stderr]).toEqual([2, expect.stringContaining('try mine@1')])
})

test('the list shows what is there, and what is broken with why', async () => {
  const directory = await temporaryDirectory()
  await copyFile(join(store, 'digits@1.tar.gz'), join(directory, 'digits@1.tar.gz'))
  await writeFile(join(directory, 'broken.tar.gz'), 'not an archive')
  const { code, stdout } = await millrace(['models', 'list', '--store', directory])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^digits@1 +[0-9a-f]{12} +[\d.]+ KiB$/m)
  expect(stdout).toMatch(/^broken\.tar\.gz .*not a \.tar\.gz/m)
})

test('a model that is not there is a failure that says what is', async () => {
  const { code, stderr } = await millrace(['models', 'inspect', 'digits@9', '--store', store])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^millrace: no such bundle in the store: digits@9; .*digits@1, digits@2, digits@3\. See/)
})

test('a bundle is signed in its place with keys that are made once', async () => {
  const directory = await temporaryDirectory()
  await copyFile(join(store, 'digits@1.tar.gz'), join(directory, 'digits@1.tar.gz'))
  await millraceJson(['bundle', 'keygen', 'release'], { directory })
  const again = await millrace(['bundle', 'keygen', 'release'], { directory })
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('is there already')])
  await millraceJson(['bundle', 'sign', 'digits@1.tar.gz', '--key', 'release.key'], { directory })
  expect((await millrace(['models', 'list', '--store', '.'], { directory })).stdout).toMatch(/digits@1 .*signed/)
  const wrong = await millrace(['bundle', 'sign', 'digits@1.tar.gz', '--key', 'release.pub'], { directory })
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('the private key is not an Ed25519 key')])
})
