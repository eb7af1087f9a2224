/** The workers of the demo: child processes of the real command line, which end with this one in whatever way it ends. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spawnGuarded } from '../../../docker/guardian.js'
import { lastMeaningfulLine } from '../../../docker/log-tail.js'
import { availablePorts, loopback } from '../../../docker/ports.js'
import { MillraceError } from '../../../stages/errors.js'
import type { Config } from '../../config.js'
import type { Environment } from '../../config-load.js'
import { packageFile } from '../package-files.js'

export interface DemoWorker {
  readonly id: string
  readonly pid: number
  readonly logFile: string
  /** where its page would be, with what it takes to change something there */
  readonly page: string
  /** Rejects with `worker-ended` when it ends without being asked to. */
  readonly failed: Promise<never>
  /** Ends it in order. */
  stop(): Promise<void>
}

export interface WorkerOptions {
  readonly id: string
  readonly config: Pick<Config, 'deployment' | 'brokers' | 'registry'>
  readonly model: string
  /** more arguments of `millrace run` */
  readonly args: readonly string[]
  readonly environment: Environment
  /** for its log */
  readonly directory: string
}

/** What a worker needs to finish what is in flight, and a little. */
const graceSeconds = 15

const main = fileURLToPath(new URL('../main.js', import.meta.url))

export const startDemoWorker = async (options: WorkerOptions): Promise<DemoWorker> => {
  const { id, config, model, environment, directory } = options
  const logFile = join(directory, `${id}.log`)
  const [port] = await availablePorts([undefined])
  const token = randomBytes(18).toString('base64url')
  const flags = [
    ['--deployment', config.deployment],
    ['--brokers', config.brokers.join(',')],
    ['--registry', config.registry],
    ['--model', model],
    ['--bundles', packageFile('models/bundles')],
    ['--id', id],
    ['--set', 'echo=id,label'],
    ['--set', 'http.truth=label'],
    ['--set', `http.port=${port}`],
    ['--set', 'http.truth=label'],
  ].flat()
  const guarded = await spawnGuarded({
    command: process.execPath,
    arguments: [main, 'run', ...flags, ...options.args],
    directory: '.',
    logFile,
    graceSeconds,
    environment: { ...environment, MILLRACE_HTTP_TOKEN: token },
  })
  let asked = false
  const failed = guarded.exited.then(async (code): Promise<never> => {
    if (asked) return new Promise(() => undefined)
    throw new MillraceError('worker-ended', `${id} with ${code}: ${await lastMeaningfulLine(logFile)} (${logFile})`)
  })
  failed.catch(() => undefined)
  return {
    id,
    pid: guarded.identity.pid,
    logFile,
    page: `http://${loopback}:${port}/#token=${token}`,
    failed,
    stop: () => {
      asked = true
      return guarded.stop()
    },
  }
}

/** The address of the first page that answers; a worker serves one unless it is configured not to. */
export const pageOf = async (workers: readonly DemoWorker[]): Promise<string | undefined> => {
  for (const { page } of workers) {
    const answer = await fetch(page, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
    if (answer?.ok) return page
  }
  return undefined
}
