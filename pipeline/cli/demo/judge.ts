/** Compares predictions with what was sent. Memory does not grow with the run. */
import type { Prediction } from '../../messages.js'
import { createAccuracy, type ModelAccuracy } from './accuracy.js'
import { createCoverage } from './coverage.js'
import { createLatencies, type Percentiles } from './latencies.js'
import { createRates, type Rates } from './rates.js'
import type { Scan, Scans } from './scans.js'
import { createSwitches, type Switches, type SwitchFigures } from './switches.js'

/** A scan and what a model said of it. */
export interface Judged {
  readonly scan: Scan
  readonly partition: number
  readonly offset: number
  readonly label: string | null
  /** of the class that was chosen, 0 to 1 */
  readonly score: number
  readonly model: string
}

/** What is known at the end. */
export interface Figures {
  readonly sent: number
  readonly predictions: number
  /** records without a prediction because of their firm deadline */
  readonly late: number
  /** records with neither */
  readonly missing: number
  readonly duplicates: number
  readonly latencyMs: Percentiles | undefined
  readonly generations: number
  readonly switches: readonly SwitchFigures[]
  readonly steadyGapMs: number
  readonly models: readonly ModelAccuracy[]
}

export interface Judge {
  /** `records` were sent to a partition. */
  sent(partition: number, records: number): void
  /** `timestamp`: of the input, `wallClock`: when the prediction was received; `now`: the same on a clock that never jumps. */
  predicted(prediction: Prediction, timestamp: number, wallClock: number, now: number): void
  /** There is a late record of what was sent there: nothing else is to come of it. */
  late(partition: number, offset: number): void
  /** records without an answer */
  readonly open: number
  readonly predictions: number
  readonly latency: Percentiles | undefined
  readonly recent: { readonly predictions: number; readonly right: number }
  readonly models: readonly ModelAccuracy[]
  readonly rates: Rates
  readonly switches: Switches
  /** the newest of every partition */
  readonly partitions: ReadonlyMap<number, { readonly model: string; readonly generation: number }>
  readonly newest: Judged | undefined
  readonly newestMistake: Judged | undefined
  figures(): Figures
}

export const createJudge = (scans: Pick<Scans, 'byId'>, partitionCount: number): Judge => {
  const coverage = createCoverage()
  const latencies = createLatencies()
  const accuracy = createAccuracy()
  const rates = createRates()
  const switches = createSwitches(partitionCount)
  const partitions = new Map<number, { model: string; generation: number }>()
  let late = 0
  let newest: Judged | undefined
  let newestMistake: Judged | undefined
  let [firstGeneration, lastGeneration, generations] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]

  const look = (prediction: Prediction) => {
    const scan = scans.byId.get(prediction.echo.id ?? '')
    if (!scan) return
    const { partition, offset, label, scores, model } = prediction
    newest = { scan, partition, offset, label, score: Math.max(...scores), model }
    const right = label === scan.label
    accuracy.add(model, right)
    if (!right) newestMistake = newest
  }

  return {
    sent: coverage.send,
    predicted(prediction, timestamp, wallClock, now) {
      const { partition, offset, model, generation } = prediction
      if (!coverage.answer(partition, offset)) return
      latencies.add(wallClock - timestamp)
      rates.add(model, now)
      switches.arrive(partition, model, now)
      partitions.set(partition, { model, generation })
      // Generations come in order, so that the ones beyond the newest are the new ones.
      if (generation > lastGeneration || generation < firstGeneration) generations += 1
      firstGeneration = Math.min(firstGeneration, generation)
      lastGeneration = Math.max(lastGeneration, generation)
      look(prediction)
    },
    late(partition, offset) {
      coverage.answer(partition, offset)
      late++
    },
    get open() {
      return coverage.open
    },
    get predictions() {
      return coverage.answered + coverage.duplicates - late
    },
    get latency() {
      return latencies.recent
    },
    get recent() {
      return accuracy.recent
    },
    get models() {
      return accuracy.models
    },
    rates,
    switches,
    partitions,
    get newest() {
      return newest
    },
    get newestMistake() {
      return newestMistake
    },
    figures: () => ({
      sent: coverage.sent,
      predictions: coverage.answered + coverage.duplicates - late,
      late,
      missing: coverage.open,
      duplicates: coverage.duplicates,
      latencyMs: latencies.all,
      generations,
      switches: switches.figures(),
      steadyGapMs: switches.steadyGapMs,
      models: accuracy.models,
    }),
  }
}
