/** What flowed, second by second, for the last minutes: what the page draws before it has seen anything itself. */
import { type Observable, Subject } from 'rxjs'
import { observing, type PipeObserver } from './pipe-observer.js'
import { createPipeStats, type PipeStats, type StageTime } from './pipe-stats.js'

/** One second. Rates are per second. */
export interface FlowFrame {
  /** milliseconds since the epoch */
  readonly at: number
  readonly in: number
  readonly out: number
  readonly deadLetters: number
  /** records that a firm deadline has left without a prediction; null where there is none */
  readonly late: number | null
  readonly bytes: number
  readonly batches: number
  readonly inFlight: number
  /** milliseconds from the timestamp of a record to the acknowledgement of its prediction; null in a second without any */
  readonly p50: number | null
  readonly p99: number | null
  /** generation and model of what was published last; null before that */
  readonly generation: number | null
  /** milliseconds a batch spent in each stage, on average; null in a second without any */
  readonly stages: Readonly<Record<StageTime['stage'], number | null>>
  /** sampled share of right labels, where the truth is known */
  readonly accuracy: number | null
}

export interface FlowHistory {
  readonly observer: PipeObserver
  /** oldest first */
  readonly frames: readonly FlowFrame[]
  readonly next: Observable<FlowFrame>
  close(): void
}

export interface FlowHistoryOptions {
  /** Asked from the first second on: they begin at nothing, as the worker does. */
  readonly stats: () => PipeStats
  readonly accuracy: () => number | null
  /** late records so far; without it there are none to be had */
  readonly late?: () => number
  readonly now?: () => number
}

const keptSeconds = 300
const mostLatencies = 4096

/** Ticks once a second until it is closed; does not keep the process alive. */
export function createFlowHistory({ stats, accuracy, late, now = Date.now }: FlowHistoryOptions): FlowHistory {
  const frames: FlowFrame[] = []
  const next = new Subject<FlowFrame>()
  let latencies: number[] = []
  let generation: number | null = null
  let before = createPipeStats().snapshot()
  let lateBefore = 0
  let beforeAt = now()

  const tick = () => {
    const at = now()
    const current = stats()
    const seconds = Math.max(0.001, (at - beforeAt) / 1_000)
    const rate = (name: 'records' | 'predictions' | 'deadLetters' | 'bytes' | 'batches') =>
      Math.round((current[name] - before[name]) / seconds)
    const lateNow = late?.()
    const sorted = Float64Array.from(latencies).sort()
    const frame: FlowFrame = {
      at,
      in: rate('records'),
      out: rate('predictions'),
      deadLetters: rate('deadLetters'),
      late: lateNow === undefined ? null : Math.round((lateNow - lateBefore) / seconds),
      bytes: rate('bytes'),
      batches: rate('batches'),
      inFlight: current.inFlight,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      generation,
      stages: meanTimes(before.stages, current.stages),
      accuracy: accuracy(),
    }
    latencies = []
    before = current
    lateBefore = lateNow ?? 0
    beforeAt = at
    frames.push(frame)
    if (frames.length > keptSeconds) frames.shift()
    next.next(frame)
  }
  const timer = setInterval(tick, 1_000)
  timer.unref()

  return {
    frames,
    next,
    observer: observing({
      published({ batch }) {
        generation = batch.generation.number
        const at = now()
        for (const { records } of batch.parts) {
          const [first, last] = [records[0], records[records.length - 1]]
          if (!first || !last || latencies.length >= mostLatencies) continue
          latencies.push(Math.max(0, at - first.timestamp), Math.max(0, at - last.timestamp))
        }
      },
    }),
    close() {
      clearInterval(timer)
      next.complete()
    },
  }
}

const quantile = (sorted: Float64Array, q: number): number | null =>
  sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!

const meanTimes = (before: readonly StageTime[], current: readonly StageTime[]): FlowFrame['stages'] => {
  const means = current.map(({ stage, totalMs, batches }, i) => {
    const count = batches - (before[i]?.batches ?? 0)
    return [stage, count === 0 ? null : (totalMs - (before[i]?.totalMs ?? 0)) / count]
  })
  return Object.fromEntries(means)
}
