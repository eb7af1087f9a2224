/**
 * The built peers and Millrace under the peers' own harness, in alternating rounds on a broker and a registry that are fresh. `directory` is
 * where the peers were set up (their SPEC.md says what an application does, and what the harness measures).
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { workloads } from './models.js'
import { millrace } from './parts/whole-pipe.js'
import { comparedTo, type Row, rowOf } from './result.js'
import type { Place } from './suite.js'

export interface PeersOptions extends Place {
  readonly directory: string
  readonly rounds: number
  /** measured stretch of one run at a steady rate; the harness warms up for 15 s before it */
  readonly latencySeconds: number
  /** what to compare: throughput of w1 and w2, latency */
  readonly rows: readonly string[]
  readonly applications: Readonly<Record<string, readonly string[]>>
  readonly onProgress: (line: string) => void
}

/** Of each row the applications that are worth its time, the one that ratios are to first. */
export const usualApplications = {
  w1: ['java plain', 'kafka streams', 'python plain'],
  w2: ['java plain', 'python plain'],
  latency: ['java plain', 'kafka streams'],
} as const

const scripts: Readonly<Record<string, string>> = {
  'java plain': 'java/run-plain.sh',
  'kafka streams': 'java/run-ks.sh',
  'kafka streams, batches': 'java/run-ks-batch.sh',
  'python plain': 'python/run-plain.sh',
  quix: 'python/run-quix.sh',
  bytewax: 'python/run-bytewax.sh',
  faust: 'python/run-faust.sh',
}

type Said = Readonly<Record<string, number>>

export const comparePeers = async (options: PeersOptions): Promise<{ rows: Row[]; runs: object[] }> => {
  const runs: object[] = []
  const harness = async (script: string, environment: object, ...given: (string | number)[]): Promise<Said> => {
    const { brokers: BROKERS, registry: REGISTRY } = options
    const env = { ...process.env, BROKERS, REGISTRY, ...environment }
    const { stdout } = await run('node', [script, ...given.map(String)], {
      cwd: join(options.directory, 'harness'),
      env,
    })
    const said = stdout.trim().split('\n').at(-1)!
    if (!said.startsWith('{')) return {}
    options.onProgress(`  ${said}`)
    runs.push({ script, given, ...JSON.parse(said) })
    return JSON.parse(said)
  }
  /** Every application once a round, each round another first. */
  const rounds = async (of: string, one: (command: string) => Promise<Said>) => {
    const all = ['millrace', ...(options.applications[of] ?? [])]
    const found = new Map<string, Said[]>(all.map((name) => [name, []]))
    for (let round = 0; round < options.rounds; round++)
      for (let turn = 0; turn < all.length; turn++) {
        const name = all[(round + turn) % all.length]!
        found.get(name)!.push(await one(name === 'millrace' ? millrace : commandOf(options.directory, name)))
      }
    return found
  }
  const rowsOf = (part: string, found: ReadonlyMap<string, readonly Said[]>, what: string, unit: string): Row[] => {
    const rows = [...found].map(([name, said]) =>
      rowOf(
        part,
        name,
        said.map((one) => one[what] ?? Number.NaN),
        unit,
      ),
    )
    const best = unit === 'records/s' ? bestOf(rows, 1) : bestOf(rows, -1)
    return best === undefined ? rows : comparedTo(best, rows)
  }

  const rows: Row[] = []
  for (const [name, records] of [['w1', 500_000] as const, ['w2', 60_000] as const]) {
    if (!options.rows.includes(name)) continue
    const { features, classes } = workloads[name]
    const model = { MODEL: join(options.directory, `models/${name}.onnx`), CLASSES: String(classes) }
    await harness('preload.mjs', model, name, records, features)
    const found = await rounds(name, (command) => harness('throughput.mjs', model, name, records, command))
    rows.push(
      ...rowsOf(`${name}, steady`, found, 'rate_steady', 'records/s'),
      ...rowsOf(`${name}, first to last`, found, 'rate_all', 'records/s'),
      ...rowsOf(`${name}, CPU`, found, 'cpu_s_per_million', 's per million'),
      ...rowsOf(`${name}, peak memory`, found, 'rss_mb', 'MB'),
    )
  }
  for (const rate of options.rows.includes('latency') ? [2_000, 5_000] : []) {
    const model = { MODEL: join(options.directory, 'models/w1.onnx'), CLASSES: '2' }
    const found = await rounds('latency', (command) =>
      harness('latency.mjs', model, rate, options.latencySeconds, workloads.w1.features, command),
    )
    for (const quantile of ['p50', 'p99', 'p999'])
      rows.push(...rowsOf(`latency at ${rate}/s, ${quantile}`, found, quantile, 'ms'))
  }
  return { rows, runs }
}

const run = promisify(execFile)

const commandOf = (directory: string, name: string): string => {
  const script = scripts[name]
  const path = script && join(directory, script)
  if (!path || !existsSync(path)) throw new Error(`there is no ${name} in ${directory}`)
  return path
}

/** The best that is not Millrace: what it has to be measured by. */
const bestOf = (rows: readonly Row[], direction: 1 | -1): string | undefined =>
  rows
    .filter(({ name, value }) => name !== 'millrace' && !Number.isNaN(value))
    .toSorted((one, other) => direction * (other.value - one.value))[0]?.name
