/** How long batches were in each stage of the pipe, and for how much of that they stood behind others. */

const stages = ['decode', 'gather', 'infer', 'encode', 'publish'] as const

export interface StageTime {
  readonly stage: (typeof stages)[number]
  /** milliseconds between coming to the stage and leaving it, summed over all batches */
  readonly totalMs: number
  /** of these, those before the batch ahead had left: in a queue, or beside it in flight */
  readonly waitMs: number
  readonly batches: number
  readonly records: number
}

export interface StageTimes {
  /** A batch of so many records was in the stage from `since` to `until`. Stages keep order: it is called in that of the batches. */
  spend(stage: StageTime['stage'], since: number, until: number, records: number): void
  snapshot(): StageTime[]
}

export const createStageTimes = (): StageTimes => {
  const times = new Map(
    stages.map((stage) => [stage, { stage, totalMs: 0, waitMs: 0, batches: 0, records: 0, doneAt: 0 }]),
  )
  return {
    spend(stage, since, until, records) {
      const time = times.get(stage)!
      time.totalMs += until - since
      time.waitMs += Math.max(0, Math.min(time.doneAt, until) - since)
      time.batches++
      time.records += records
      time.doneAt = until
    },
    snapshot: () => [...times.values()].map(({ doneAt: _, ...time }) => time),
  }
}
