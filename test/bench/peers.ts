/**
 * The built peers and Millrace under the peers' own harness, in alternating rounds on a broker and a registry that are fresh. `directory` is
 * where the peers were set up (their SPEC.md says what an application does, and what the harness measures).
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Contest, contests, scripts } from './contests.js'
import { workloads } from './models.js'
import { millrace } from './parts/whole-pipe.js'
import { createProgress } from './progress.js'
import { comparedTo, type Row, rowOf } from './result.js'
import type { Place } from './suite.js'

export interface PeersOptions extends Place {
  readonly directory: string
  readonly rounds: number
  /** measured stretch of one run at a steady rate; the harness warms up for 15 s before it */
  readonly latencySeconds: number
  readonly contests: readonly Contest[]
  readonly onProgress: (line: string) => void
}

type Said = Readonly<Record<string, number>>

/** Of names of `contests`; throws for one that is none. */
export const contestsOf = (names: readonly string[]): Contest[] =>
  names.flatMap((name) => {
    const some = contests[name]
    if (!some) throw new Error(`no row ${name}; there are ${Object.keys(contests).join(', ')}`)
    return some
  })

export const comparePeers = async (options: PeersOptions): Promise<{ rows: Row[]; runs: object[] }> => {
  const { directory, rounds, latencySeconds, brokers: BROKERS, registry: REGISTRY } = options
  const runs: object[] = []
  const filled = new Set<string>()
  const warming = firstOfEachDelivery(options.contests)
  const progress = createProgress(
    options.contests.reduce(
      (sum, contest) => sum + (rounds + (warming.has(contest) ? 1 : 0)) * (1 + contest.applications.length),
      0,
    ),
    options.onProgress,
  )
  const harness = async (environment: object, ...given: (string | number)[]): Promise<string> => {
    const env = { ...process.env, BROKERS, REGISTRY, ...environment }
    const cwd = join(directory, 'harness')
    return (await promisify(execFile)('node', given.map(String), { cwd, env })).stdout.trim()
  }

  const runOnce = async (contest: Contest, name: string): Promise<Said> => {
    const { workload, load, exactlyOnce } = contest
    const { features, classes } = workloads[workload]
    const MODEL = join(directory, `models/${workload}.onnx`)
    const environment = { MODEL, CLASSES: String(classes), EOS: exactlyOnce ? '1' : '0' }
    const command = name === 'millrace' ? millrace : commandOf(directory, name)
    const input = 'records' in load ? `${workload}-${load.records}` : workload
    if ('records' in load && !filled.has(input)) {
      progress.found(await harness(environment, 'preload.mjs', input, load.records, features))
      filled.add(input)
    }
    const given: readonly (string | number)[] =
      'records' in load
        ? ['throughput.mjs', input, load.records]
        : ['latency.mjs', load.perSecond, latencySeconds, features]
    const said = JSON.parse((await harness(environment, ...given, command)).split('\n').at(-1)!)
    const { cmd: _, ...figures } = said
    progress.found(JSON.stringify(figures))
    return figures
  }

  /**
   * Every application once a round, each round another first. One that fails has no figures in that round. Nor have any of them in a round before
   * the first of each delivery: a broker that has never had a transaction takes a second to get used to them, whoever comes first.
   */
  const compete = async (contest: Contest): Promise<Map<string, Said[]>> => {
    const all = ['millrace', ...contest.applications]
    const found = new Map<string, Said[]>(all.map((name) => [name, []]))
    for (let round = warming.has(contest) ? -1 : 0; round < rounds; round++)
      for (let turn = 0; turn < all.length; turn++) {
        const name = all[(round + 1 + turn) % all.length]!
        const which = round < 0 ? 'to warm up' : `round ${round + 1} of ${rounds}`
        progress.begin(`${contest.title}, ${name}, ${which}`)
        const said = await runOnce(contest, name).catch((error: Error & { stdout?: string }) => {
          const failed = String(error.stdout || error.message).slice(0, 300)
          progress.found(`failed: ${failed}`)
          return { failed }
        })
        if (round < 0) continue
        runs.push({ contest: contest.title, application: name, ...said })
        if (!('failed' in said)) found.get(name)!.push(said)
      }
    return found
  }

  const rows: Row[] = []
  for (const contest of options.contests) {
    const found = await compete(contest)
    for (const [what, key, unit] of 'records' in contest.load ? ofBacklog : ofRate)
      rows.push(...rowsOf(`${contest.title}, ${what}`, found, key, unit))
  }
  return { rows, runs }
}

const firstOfEachDelivery = (all: readonly Contest[]): ReadonlySet<Contest> => {
  const backlogs = all.filter(({ load }) => 'records' in load)
  return new Set(
    [true, false].flatMap((exactlyOnce) => backlogs.find((contest) => contest.exactlyOnce === exactlyOnce) ?? []),
  )
}

/** What is said of a run, the harness's name for it, and its unit. */
const ofBacklog = [
  ['steady', 'rate_steady', 'records/s'],
  ['first to last', 'rate_all', 'records/s'],
  ['CPU', 'cpu_s_per_million', 's per million'],
  ['peak memory', 'rss_mb', 'MB'],
] as const
const ofRate = [
  ['p50', 'p50', 'ms'],
  ['p99', 'p99', 'ms'],
  ['p999', 'p999', 'ms'],
] as const

const rowsOf = (part: string, found: ReadonlyMap<string, readonly Said[]>, key: string, unit: string): Row[] => {
  const rows = [...found].map(([name, said]) =>
    rowOf(part, name, said.map((one) => one[key] ?? Number.NaN).filter(Number.isFinite), unit),
  )
  const best = bestOf(rows, unit === 'records/s' ? 1 : -1)
  return best === undefined ? rows : comparedTo(best, rows)
}

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
