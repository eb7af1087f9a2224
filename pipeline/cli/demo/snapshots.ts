/** Takes snapshots of a run for the view. */

import type { Judge, Judged } from './judge.js'
import { residentBytes } from './memory.js'
import type { Snapshot } from './view.js'
import type { DemoWorker } from './workers.js'

export interface SnapshotOptions {
  readonly judge: Judge
  readonly deployment: string
  readonly page?: string
  readonly workers: readonly Pick<DemoWorker, 'id' | 'pid'>[]
  readonly models: readonly string[]
  readonly partitions: number
  readonly wantedRate: number
}

export interface Snapshots {
  event(text: string): void
  take(): Snapshot
  close(): void
}

/** A scan stays long enough to be looked at. */
const scanEveryMs = 1_000
const memoryEveryMs = 2_000
const keptEvents = 20
const keptScans = 8

export const createSnapshots = (options: SnapshotOptions): Snapshots => {
  const { judge, workers, partitions, ...fixed } = options
  const begunAt = performance.now()
  const elapsedMs = () => performance.now() - begunAt
  const resident = new Map<string, number | undefined>()
  const events: { elapsedMs: number; text: string }[] = []
  let scans: Judged[] = []
  const keepScan = () => {
    if (judge.newest && judge.newest !== scans[0]) scans = [judge.newest, ...scans].slice(0, keptScans)
  }
  const look = () => {
    for (const { id, pid } of workers) void residentBytes(pid).then((bytes) => resident.set(id, bytes))
  }
  look()
  const timers = [setInterval(keepScan, scanEveryMs), setInterval(look, memoryEveryMs)]

  return {
    event(text) {
      events.push({ elapsedMs: elapsedMs(), text })
      if (events.length > keptEvents) events.shift()
    },
    take() {
      if (scans.length === 0) keepScan()
      const now = performance.now()
      return {
        ...fixed,
        elapsedMs: elapsedMs(),
        workers: workers.map(({ id }) => ({ id, residentBytes: resident.get(id) })),
        partitions: Array.from({ length: partitions }, (_, partition) => judge.partitions.get(partition)),
        switchingTo: judge.switches.pending?.to,
        rate: judge.rates.perSecond(now),
        moments: judge.rates.moments(now),
        latency: judge.latency,
        lag: judge.open,
        predictions: judge.predictions,
        recent: judge.recent,
        accuracy: judge.models,
        scans,
        mistake: judge.newestMistake,
        events,
      }
    },
    close() {
      for (const timer of timers) clearInterval(timer)
    },
  }
}
