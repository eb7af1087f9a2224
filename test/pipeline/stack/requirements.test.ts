import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { requireSpace, withDiskFull } from '../../../docker/disk-space.js'
import { javaMajor } from '../../../docker/java.js'
import { availablePorts } from '../../../docker/ports.js'
import { findRunningStack, startStack } from '../../../docker/stack.js'
import { environmentWith, stackCache, temporaryDirectory } from '../../fixtures/stack-programs.js'

async function startWith(programs: Record<string, string>, more: { kafkaPort?: number; cacheDirectory?: string } = {}) {
  const environment = await environmentWith(programs, { alone: true })
  const dataDirectory = await temporaryDirectory()
  return startStack({ cacheDirectory: stackCache, dataDirectory, environment, ...more })
}

const java17 = `echo 'openjdk version "17.0.15" 2025-04-15' >&2`

test('without Java the stack says so', async () => {
  await expect(startWith({})).rejects.toMatchObject({ code: 'java-missing' })
})

test('a Java that is too old is named', async () => {
  await expect(startWith({ java: `echo 'java version "1.8.0_402"' >&2` })).rejects.toMatchObject({
    code: 'java-too-old',
    detail: expect.stringContaining('Java 8'),
  })
})

test('without Maven the stack says so', async () => {
  const cacheDirectory = await temporaryDirectory()
  await expect(startWith({ java: java17 }, { cacheDirectory })).rejects.toMatchObject({ code: 'maven-missing' })
})

test('JAVA_HOME is used before the search path', async () => {
  const environment = await environmentWith({ java: java17 }, { alone: true })
  const home = await environmentWith({ java: `echo 'openjdk version "11.0.2"' >&2` }, { alone: true })
  environment.JAVA_HOME = join(home.PATH ?? '', '..')
  const dataDirectory = await temporaryDirectory()
  const start = startStack({ cacheDirectory: stackCache, dataDirectory, environment })
  await expect(start).rejects.toMatchObject({ code: 'java-too-old', detail: expect.stringContaining('Java 11') })
})

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['java version "1.8.0_402"', 8],
  ['openjdk version "25-ea" 2025-09-16', 25],
  ['Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "21" 2023-09-19 LTS', 21],
  ['no version here', undefined],
])('%s is Java %s', (output, major) => {
  expect(javaMajor(output)).toBe(major)
})

test('a wanted port that is in use is named', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  await expect(availablePorts([undefined, port])).rejects.toMatchObject({
    code: 'port-taken',
    detail: `127.0.0.1:${port}`,
  })
})

test('free ports are all different, and wanted ones are kept', async () => {
  const [wanted] = await availablePorts([undefined])
  const ports = await availablePorts([undefined, wanted, undefined])
  expect(ports[1]).toBe(wanted)
  expect(new Set(ports).size).toBe(3)
})

test('too little space is told before anything is written', async () => {
  const directory = await temporaryDirectory()
  await expect(requireSpace(directory, 1e12)).rejects.toMatchObject({
    code: 'disk-full',
    detail: expect.stringMatching(/has \d+ MB left, 1000000000000 are needed/),
  })
})

test('a disk that fills up while something is written is told as such', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  await expect(withDiskFull('data', () => Promise.reject(full))).rejects.toMatchObject({ code: 'disk-full' })
})

test('no stack is found where none was started', async () => {
  expect(await findRunningStack(await temporaryDirectory())).toBeUndefined()
  expect(await findRunningStack('/no/such/folder')).toBeUndefined()
})
