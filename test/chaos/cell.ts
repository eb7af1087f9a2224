/** One cell of the table: a delivery, a set of faults, and what came of it. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { groupStatus } from '../../pipeline/kafka/group-status.js'
import { type FaultName, faults, member } from './faults.js'
import { type Generator, startGenerator } from './generator.js'
import { createRandom } from './random.js'
import { until } from './until.js'
import { judge, verdictOf } from './verdict.js'
import { startWatcher, type Watcher } from './watcher.js'
import { createWorld, type Delivery, type World } from './world.js'

export interface CellOptions {
  readonly name: string
  readonly delivery: Delivery
  /** one is drawn each time */
  readonly faults: readonly FaultName[]
  readonly seed: number
  readonly workers: number
  readonly recordsPerSecond: number
  /** the cell ends when it has had both */
  readonly minRecords: number
  readonly minFaults: number
  /** between the end of a fault and the next */
  readonly pauseMs: number
  readonly onProgress: (line: string) => void
}

export interface CellResult {
  readonly name: string
  readonly delivery: Delivery
  readonly seed: number
  readonly workers: number
  readonly records: number
  readonly faults: number
  readonly duplicates: number
  readonly generations: number
  readonly seconds: number
  /**
   * Longest silences in windows of half a second, milliseconds: around each switch that was seen, and as far from any switch as can be. Times
   * in which a worker was being missed are left out of both.
   */
  readonly gapAtSwitchMs: readonly number[]
  readonly gapElsewhereMs: readonly number[]
  readonly wrong: readonly string[]
}

const partitions = 8

export async function runCell(options: CellOptions): Promise<CellResult> {
  const { name, delivery, seed, onProgress } = options
  const random = createRandom(seed)
  const began = performance.now()
  const deployment = `chaos-${randomUUID().slice(0, 8)}`
  const small = options.faults.includes('disk-full') && { storeMegabytes: 8 }
  const world = await createWorld({ deployment, delivery, partitions, model: 'digits@1', ...small })
  try {
    for (let i = 0; i < options.workers; i++) world.startWorker()
    const watcher = startWatcher(world)
    const generator = await startGenerator(world, options.recordsPerSecond)
    const windows: { fault: FaultName; from: number; to: number }[] = []
    while (generator.acknowledged < options.minRecords || windows.length < options.minFaults) {
      const fault = random.pick(options.faults)
      await flow(generator, watcher)
      const [from, seen] = [Date.now(), watcher.seen]
      await faults[fault]({ world, watcher, random })
      if (othersGoOn.has(fault) && watcher.seen === seen) throw new Error(`no predictions during ${fault}`)
      windows.push({ fault, from, to: Date.now() })
      await sleep(options.pauseMs)
      await flow(generator, watcher)
      const dead = world.workers.filter(({ child }) => child.exitCode !== null || child.signalCode !== null)
      if (dead.length > 0) throw new Error(`${dead.map(({ id }) => id).join(', ')} died during ${fault}`)
      onProgress(`${name}: ${windows.length} faults, ${generator.acknowledged} in, ${watcher.seen} out (${fault})`)
    }
    await generator.end()
    await drained(world)
    await until('all predictions seen', () => watcher.seen >= generator.acknowledged)
    for (const worker of [...world.workers]) {
      await member(world, worker, true)
      await world.signalWorker(worker, 'SIGTERM')
    }
    await watcher.end()
    const { stale, backwards } = watcher
    const findings = await judge(world, generator.acknowledged, { stale, backwards })
    const { report } = findings
    return {
      name,
      delivery,
      seed,
      workers: options.workers,
      records: report.records,
      faults: windows.length,
      duplicates: report.duplicates,
      generations: report.generations.length,
      seconds: Math.round((performance.now() - began) / 1000),
      ...gapsOf(watcher, windows),
      wrong: verdictOf(delivery, findings),
    }
  } finally {
    await world.close()
  }
}

/** These last for seconds, and do not take everybody: somebody has to score meanwhile. */
const othersGoOn: ReadonlySet<FaultName> = new Set(['zombie', 'registry-down', 'disk-full'])

/** Until records are acknowledged and predictions seen: a fault has to meet a stream, and the stream has to come back. */
export async function flow(generator: Pick<Generator, 'acknowledged'>, watcher: Pick<Watcher, 'seen'>): Promise<void> {
  const [sent, seen] = [generator.acknowledged, watcher.seen]
  await until('records in and predictions out', () => generator.acknowledged > sent && watcher.seen > seen)
}

/** Until the group has committed everything. */
async function drained({ kafka, deployment, topics }: World): Promise<void> {
  await until('everything committed', async () => {
    const { partitions: all } = await groupStatus(kafka, deployment, topics.input).catch(() => ({ partitions: [] }))
    return all.length > 0 && all.every(({ lag }) => lag === 0)
  })
}

/** A worker that is gone is missed until the group has given its partitions to others. */
const missedMs = 15_000
const windowMs = 500

function gapsOf(watcher: Watcher, windows: readonly { fault: FaultName; from: number; to: number }[]) {
  const calm = (at: number) =>
    !windows.some(({ fault, from, to }) => fault !== 'switch' && at > from - windowMs && at < to + missedMs)
  const longest = (at: number) => watcher.longestBetween(at - windowMs / 2, at + windowMs / 2)
  // The partitions of a group change over within a moment: one switch.
  const switches = watcher.changes.filter((at, index, all) => index === 0 || at - all[index - 1]! > 2 * windowMs)
  const between = switches.slice(1).map((at, index) => (at + switches[index]!) / 2)
  return {
    gapAtSwitchMs: switches.filter(calm).map(longest),
    gapElsewhereMs: between.filter(calm).map(longest),
  }
}
