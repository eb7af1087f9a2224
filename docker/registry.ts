import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../stages/errors.js'
import { type GuardedProcess, spawnGuarded } from './guardian.js'
import { loopback } from './ports.js'

export interface RegistryOptions {
  readonly java: string
  /** folder of the unpacked Apicurio Registry */
  readonly application: string
  readonly dataDirectory: string
  readonly port: number
  readonly logFile: string
  readonly environment?: NodeJS.ProcessEnv
}

/** Where Apicurio serves Confluent's API. */
export const registryUrl = (port: number): string => `http://${loopback}:${port}/apis/ccompat/v7`

/**
 * Starts the registry with its content in an H2 file below the data folder. H2 by default writes half a second late;
 * WRITE_DELAY=0 makes a schema safe before its id is given out, so that not even SIGKILL loses one.
 */
export async function startRegistry(options: RegistryOptions): Promise<GuardedProcess> {
  const { application, dataDirectory, port } = options
  const files = await readdir(application)
  const runner = files.find((file) => file.endsWith('-runner.jar'))
  if (!runner) throw new MillraceError('stack-failed', `no runner jar in ${application}`)
  await mkdir(join(dataDirectory, 'registry'), { recursive: true })
  const settings = {
    'quarkus.http.host': loopback,
    'quarkus.http.port': port,
    'quarkus.http.access-log.enabled': false,
    'quarkus.banner.enabled': false,
    'apicurio.storage.kind': 'sql',
    'apicurio.storage.sql.kind': 'h2',
    'apicurio.datasource.url': 'jdbc:h2:file:./registry/registry;WRITE_DELAY=0',
    'apicurio.datasource.jdbc.initial-size': 2,
    'apicurio.datasource.jdbc.min-size': 2,
    'apicurio.datasource.jdbc.max-size': 10,
    // how many subjects a listing holds at most; the default is 1000
    'apicurio.ccompat.max-subjects': 100_000,
  }
  return spawnGuarded({
    command: options.java,
    arguments: [
      '-Xmx256m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`),
      '-cp',
      `${join(application, runner)}:${join(application, 'lib')}/*`,
      'io.quarkus.runner.GeneratedMain',
    ],
    directory: dataDirectory,
    logFile: options.logFile,
    graceSeconds: 5,
    environment: options.environment,
  })
}

/** True when the registry lists its subjects. */
export async function registryAnswers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
