import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../stages/errors.js'
import { requireSpace, withDiskFull } from './disk-space.js'
import { exitCode, spawnGuarded } from './guardian.js'
import { requireMaven } from './java.js'
import { tryLock } from './lock.js'
import { lastMeaningfulLine, logMatches, noSpace } from './log-tail.js'

/** Folders with what the stack runs. */
export interface Artifacts {
  /** jars of Kafka */
  readonly kafka: string
  /** the unpacked registry: its runner jar, and lib/ */
  readonly registry: string
}

export interface ResolveOptions {
  readonly cacheDirectory: string
  readonly onProgress: (line: string) => void
  readonly environment?: NodeJS.ProcessEnv
  readonly signal?: AbortSignal
}

const megabytesNeeded = 700

/**
 * The artifacts of pom.xml, from the cache folder or else through Maven. What is in the cache is complete: it gets its
 * name only after Maven has succeeded, with a list of its files that is compared on each use; where one is missing or
 * cut short, everything is resolved again. Of several processes with one cache folder one resolves, the others wait.
 *
 * Errors: `maven-missing`, `download-failed`, `disk-full`.
 */
export async function resolveArtifacts(options: ResolveOptions): Promise<Artifacts> {
  const pom = await findPom()
  const digest = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
  const directory = join(options.cacheDirectory, digest.slice(0, 16))
  const artifacts = { kafka: join(directory, 'kafka'), registry: join(directory, 'registry') }
  if (await isComplete(directory)) return artifacts

  await requireMaven(options.environment)
  await requireSpace(options.cacheDirectory, megabytesNeeded)
  const lock = await waitForLock(options)
  try {
    if (await isComplete(directory)) return artifacts
    const partial = `${directory}.partial`
    await rm(partial, { recursive: true, force: true })
    await rm(directory, { recursive: true, force: true })
    await withDiskFull(options.cacheDirectory, async () => {
      await mkdir(partial, { recursive: true })
      await copyFile(pom, join(partial, 'pom.xml'))
      await runMaven(partial, options)
      await writeFile(join(partial, 'complete.json'), JSON.stringify(await sizes(partial)))
      await rename(partial, directory)
    })
    return artifacts
  } finally {
    await lock.release()
  }
}

/** pom.xml stands beside this file in the sources; seen from dist/docker it is two folders up. */
async function findPom(): Promise<string> {
  const candidates = ['./pom.xml', '../../docker/pom.xml'].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  for (const path of candidates) {
    if (await stat(path).catch(() => undefined)) return path
  }
  throw new MillraceError('file-unreadable', candidates.join(' or '))
}

async function waitForLock({ cacheDirectory, onProgress, signal }: ResolveOptions) {
  for (let waited = false; ; waited = true) {
    signal?.throwIfAborted()
    const lock = await tryLock(join(cacheDirectory, 'resolve.lock'))
    if ('release' in lock) return lock
    if (!waited) onProgress(`process ${lock.holder.pid} is downloading already; waiting for it`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function runMaven(partial: string, options: ResolveOptions): Promise<void> {
  const { cacheDirectory, onProgress, environment, signal } = options
  onProgress('getting Kafka and the schema registry through Maven (once, about 160 MB)')
  const logFile = join(cacheDirectory, 'maven.log')
  await rm(logFile, { force: true })
  const maven = await spawnGuarded({
    command: 'mvn',
    arguments: ['--batch-mode', `-Dmillrace.directory=${partial}`, 'package'],
    directory: partial,
    logFile,
    graceSeconds: 2,
    environment,
  })
  const progress = setInterval(async () => {
    const files = (await readFile(logFile, 'utf8').catch(() => '')).match(/^.*Downloaded from/gm)?.length
    if (files) onProgress(`downloaded ${files} files`)
  }, 2_000)
  try {
    const code = await exitCode(maven, signal)
    if (code === 0) return
    const detail = `${mavenReason(await readFile(logFile, 'utf8')) ?? (await lastMeaningfulLine(logFile))} (${logFile})`
    throw new MillraceError((await logMatches(logFile, noSpace)) ? 'disk-full' : 'download-failed', detail)
  } finally {
    clearInterval(progress)
  }
}

/** Maven says what failed first, and ends with general advice. */
function mavenReason(log: string): string | undefined {
  return /^\[ERROR\] (.+?)(?: -> \[Help \d+\])?$/m.exec(log)?.[1]?.slice(0, 300)
}

async function isComplete(directory: string): Promise<boolean> {
  try {
    const listed = JSON.parse(await readFile(join(directory, 'complete.json'), 'utf8')) as Record<string, number>
    const found = await sizes(directory)
    return Object.entries(listed).every(([path, size]) => found[path] === size)
  } catch {
    return false
  }
}

/** Sizes in bytes of the files that the stack needs, by path below the folder. */
async function sizes(directory: string): Promise<Record<string, number>> {
  const result: Record<string, number> = {}
  for (const part of ['kafka', 'registry']) {
    for (const entry of await readdir(join(directory, part), { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath ?? entry.path, entry.name)
      if (entry.isFile()) result[relative(directory, path)] = (await stat(path)).size
    }
  }
  return result
}
