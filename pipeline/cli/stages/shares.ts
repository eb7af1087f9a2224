/** Where the time between two looks at a worker went. */
import type { Look } from './ask.js'

export interface StageShare {
  readonly stage: string
  /** share of the time, 0 to 1, in which a batch was in the stage and none was ahead of it */
  readonly busy: number
  /** milliseconds of a batch in the stage, and of these those that it stood behind others; null where none passed */
  readonly batchMs: number | null
  readonly waitMs: number | null
  readonly recordsPerBatch: number | null
  readonly recordsPerSecond: number
}

export interface WorkerShares {
  readonly worker: string
  readonly url: string
  readonly seconds: number
  readonly recordsPerSecond: number
  /** 0 to 1 */
  readonly mainThreadBusy: number
  readonly inFlight: number
  /** micro-batches by what closed them */
  readonly closedBy: Readonly<Record<string, number>>
  readonly stages: readonly StageShare[]
  readonly bound: Bound
  /** since the worker began; null where there is no deadline */
  readonly deadline: Look['deadline']
  readonly fallback: Look['fallback']
  /** of the newest generation: two models in a canary */
  readonly costs: Look['stageCosts']
}

export type Bound = 'main-thread' | 'model' | 'broker' | 'input'

/** `before` and `after` are of one worker. */
export const sharesOf = (before: Look, after: Look): WorkerShares => {
  const elapsedMs = Math.max(1, after.at - before.at)
  const seconds = elapsedMs / 1_000
  const active = after.mainThread.activeMs - before.mainThread.activeMs
  const idle = after.mainThread.idleMs - before.mainThread.idleMs
  const stages = after.pipe.stages.map((now) => {
    const then = before.pipe.stages.find(({ stage }) => stage === now.stage)
    const spent = (key: 'totalMs' | 'waitMs' | 'batches' | 'records') => Math.max(0, now[key] - (then?.[key] ?? 0))
    const batches = spent('batches')
    const each = (value: number) => (batches === 0 ? null : value / batches)
    return {
      stage: now.stage,
      busy: Math.min(1, (spent('totalMs') - spent('waitMs')) / elapsedMs),
      batchMs: each(spent('totalMs')),
      waitMs: each(spent('waitMs')),
      recordsPerBatch: each(spent('records')),
      recordsPerSecond: spent('records') / seconds,
    }
  })
  const closedBy = Object.fromEntries(
    Object.entries(after.pipe.closedBy)
      .map(([reason, count]) => [reason, count - (before.pipe.closedBy[reason] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  )
  const mainThreadBusy = active + idle === 0 ? 0 : active / (active + idle)
  return {
    worker: after.worker,
    url: after.url,
    seconds,
    recordsPerSecond: (after.pipe.records - before.pipe.records) / seconds,
    mainThreadBusy,
    inFlight: after.pipe.inFlight,
    closedBy,
    stages,
    bound: boundOf(mainThreadBusy, stages),
    deadline: after.deadline,
    fallback: after.fallback,
    costs: after.stageCosts.filter(({ generation }) => generation === after.stageCosts.at(-1)?.generation),
  }
}

const nearlyAll = 0.85

/** What has next to no time left is what keeps the rest from being faster. */
const boundOf = (mainThreadBusy: number, stages: readonly StageShare[]): Bound => {
  const busy = (name: string) => stages.find(({ stage }) => stage === name)?.busy ?? 0
  if (mainThreadBusy >= nearlyAll) return 'main-thread'
  if (busy('infer') >= nearlyAll) return 'model'
  if (busy('publish') >= nearlyAll) return 'broker'
  return 'input'
}
