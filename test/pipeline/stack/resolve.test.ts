import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { resolveArtifacts } from '../../../docker/resolve.js'
import { environmentWith, temporaryDirectory } from '../../fixtures/stack-programs.js'

/** Does what Maven does with the pom, in small, and notes each run in a file. */
const maven = (runsFile: string, before = '') => `
[ "$1" = -v ] && exit 0
echo run >> ${runsFile}
${before}
for argument; do case $argument in -Dmillrace.directory=*) out=\${argument#*=};; esac; done
mkdir -p $out/kafka $out/registry/lib
echo jar > $out/kafka/kafka.jar
echo jar > $out/registry/lib/a.jar
`

async function setUp(before = '') {
  const cacheDirectory = await temporaryDirectory()
  const runsFile = join(await temporaryDirectory(), 'runs')
  const environment = await environmentWith({ mvn: maven(runsFile, before) })
  const progress: string[] = []
  const resolve = (signal?: AbortSignal) =>
    resolveArtifacts({ cacheDirectory, environment, signal, onProgress: (line) => progress.push(line) })
  const mavenRuns = async () => (await readFile(runsFile, 'utf8').catch(() => '')).split('\n').length - 1
  return { cacheDirectory, resolve, mavenRuns, progress }
}

test('the second time nothing is downloaded', async () => {
  const { resolve, mavenRuns } = await setUp()
  const artifacts = await resolve()
  expect(await resolve()).toEqual(artifacts)
  expect(await readdir(artifacts.kafka)).toEqual(['kafka.jar'])
  expect(await mavenRuns()).toBe(1)
})

test('a file that is missing or cut short is downloaded again', async () => {
  const { resolve, mavenRuns } = await setUp()
  const { kafka, registry } = await resolve()
  await truncate(join(kafka, 'kafka.jar'), 1)
  await resolve()
  expect(await readFile(join(kafka, 'kafka.jar'), 'utf8')).toBe('jar\n')
  await rm(join(registry, 'lib', 'a.jar'))
  await resolve()
  expect(await mavenRuns()).toBe(3)
})

test('a download that was interrupted counts for nothing', async () => {
  const { resolve, mavenRuns, cacheDirectory } = await setUp('exec sleep 60')
  const abort = new AbortController()
  const interrupted = resolve(abort.signal)
  await expect.poll(mavenRuns, { interval: 10 }).toBe(1)
  abort.abort(new Error('Ctrl-C'))
  await expect(interrupted).rejects.toThrow('Ctrl-C')

  const environment = await environmentWith({ mvn: maven(join(cacheDirectory, 'runs')) })
  const { kafka } = await resolveArtifacts({ cacheDirectory, environment, onProgress: () => {} })
  expect(await readdir(kafka)).toEqual(['kafka.jar'])
})

test('of several at once one downloads and the others wait', async () => {
  const goOn = join(await temporaryDirectory(), 'go-on')
  const { resolve, mavenRuns, progress } = await setUp(`until [ -e ${goOn} ]; do sleep 0.05; done`)
  const all = Promise.all([resolve(), resolve(), resolve()])
  await expect.poll(() => progress.filter((line) => line.includes('waiting'))).toHaveLength(2)
  await writeFile(goOn, '')
  await all
  expect(await mavenRuns()).toBe(1)
})

test('a download that fails is told in one line, with what Maven says and where its log is', async () => {
  const { resolve, cacheDirectory } = await setUp(
    'echo "[INFO] hello"; echo "[ERROR] Failed: Could not transfer kafka.jar: Unknown host -> [Help 1]"; echo "[ERROR] advice"; exit 1',
  )
  const logFile = join(cacheDirectory, 'maven.log')
  await expect(resolve()).rejects.toMatchObject({
    code: 'download-failed',
    retryable: true,
    detail: `Failed: Could not transfer kafka.jar: Unknown host (${logFile})`,
  })
})

test('a disk that fills up during the download is told as such', async () => {
  const { resolve } = await setUp('echo "[ERROR] kafka.jar: No space left on device"; exit 1')
  await expect(resolve()).rejects.toMatchObject({ code: 'disk-full' })
})

test('without Maven it says so, unless everything is there already', async () => {
  const { resolve, cacheDirectory } = await setUp()
  const environment = await environmentWith({}, { alone: true })
  const withoutMaven = () => resolveArtifacts({ cacheDirectory, environment, onProgress: () => {} })
  await expect(withoutMaven()).rejects.toMatchObject({ code: 'maven-missing' })
  const artifacts = await resolve()
  expect(await withoutMaven()).toEqual(artifacts)
})
