/** How a worker keeps its deadline: who missed it and where that was found, and how much time was left at each stage. */
import { deadlineOf } from '../stages/deadline.js'
import { isMissed } from '../stages/missed.js'
import type { DeadlineRule, Decoded, Scored } from '../stages/ports.js'
import { observers, observing, type PipeObserver } from './pipe-observer.js'
import { createRecentTimes } from './recent-times.js'

/** Where time is left: as a batch is handed to the model, as it comes back, as the broker has acknowledged what was made of it. */
export type SlackStage = 'gather' | 'infer' | 'publish'
const slackStages: readonly SlackStage[] = ['gather', 'infer', 'publish']

/** Where a miss is found. `publish`: it was scored in time, and acknowledged too late. */
export type MissStage = 'admission' | 'inference' | 'publish'

export interface DeadlineStats extends DeadlineRule {
  /** predictions and late records that the broker has acknowledged */
  readonly records: number
  /** of them, those that missed the deadline */
  readonly missed: Readonly<Record<MissStage, number>>
  /** milliseconds that were left of late: the middle, and what 99 of 100 had; 0 for what was too late */
  readonly slack: readonly { readonly stage: SlackStage; readonly p50Ms: number; readonly leastMs: number }[]
}

/** Late records: what a firm deadline has left without a prediction. */
export const withheld = ({ missed }: Pick<DeadlineStats, 'missed'>): number => missed.admission + missed.inference

export interface DeadlineCollector {
  readonly observer: PipeObserver
  snapshot(): DeadlineStats
}

/** `today`: milliseconds since the epoch. */
export function createDeadlineStats(rule: () => DeadlineRule, today: () => number = Date.now): DeadlineCollector {
  const slack = { gather: createRecentTimes(), infer: createRecentTimes(), publish: createRecentTimes() }
  const missed = { admission: 0, inference: 0, publish: 0 }
  let records = 0

  const counting = observing({
    published({ batch }) {
      const now = today()
      const { ms } = rule()
      let row = 0
      for (const part of batch.parts) {
        for (let index = 0; index < part.records.length; index++) {
          const found = part.rejected.get(index) ?? batch.failed.get(row)
          const late = batch.late?.has(row)
          if (!part.rejected.has(index)) row++
          if (found && !isMissed(found)) continue
          records++
          if (found) missed[found.stage]++
          else if (late) missed.inference++
          else if (deadlineOf(part.records[index]!, ms) < now) missed.publish++
        }
      }
    },
  })
  const timing = observeSlack(rule, (stage, ms) => slack[stage].add(ms), today)
  return {
    observer: observers([counting, timing]),
    snapshot: () => ({
      ...rule(),
      records,
      missed: { ...missed },
      slack: slackStages.map((stage) => ({
        stage,
        p50Ms: slack[stage].quantile(0.5),
        leastMs: slack[stage].quantile(0.01),
      })),
    }),
  }
}

/** Tells how many milliseconds were left at each stage, below 0 for what is too late: of the first and the last record of each run. */
export function observeSlack(
  rule: () => DeadlineRule,
  onSlack: (stage: SlackStage, ms: number) => void,
  today: () => number = Date.now,
): PipeObserver {
  const look = (stage: SlackStage, parts: readonly Decoded[]) => {
    const now = today()
    const { ms } = rule()
    for (const { records, rejected, rows } of parts) {
      if (rows.count === 0) continue
      let first = 0
      while (rejected.has(first)) first++
      let last = records.length - 1
      while (rejected.has(last)) last--
      for (const index of first === last ? [first] : [first, last]) {
        const left = deadlineOf(records[index]!, ms) - now
        if (Number.isFinite(left)) onSlack(stage, left)
      }
    }
  }
  return observing({
    batched: ({ parts }) => look('gather', parts),
    scored: ({ parts }: Scored) => look('infer', parts),
    published: ({ batch: { parts } }) => look('publish', parts),
  })
}
