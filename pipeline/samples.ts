/**
 * A few of the records that pass, for people to look at: the latest predictions with what the model saw, and how labels are distributed. All
 * of it is copied, capped and kept in rings; a batch costs a few dozen rows at most.
 */
import type { Decoded, Encoded, Scored } from '../stages/ports.js'
import { createLabelMix, type LabelMix } from './label-mix.js'
import { textOf } from './letter-sample.js'
import { observing, type PipeObserver } from './pipe-observer.js'

export interface PredictionSample {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  /** milliseconds since the epoch: when it was scored */
  readonly at: number
  readonly model: string
  readonly generation: number
  readonly label: string | null
  /** the first few */
  readonly scores: readonly number[]
  /** the first numeric tensor of the row, with its shape; null where there is none, or where it is long */
  readonly input: { readonly shape: readonly number[]; readonly values: readonly number[] } | null
  readonly echo: Readonly<Record<string, string>>
  /** the true label, where it is carried along */
  readonly truth: string | null
}

export interface Samples {
  /** whether records are kept at all */
  readonly shown: boolean
  readonly observer: PipeObserver
  /** newest first */
  readonly predictions: readonly PredictionSample[]
  /** of the last ten seconds */
  readonly labels: LabelMix
}

export interface SamplesOptions {
  /** an echoed field with the true label */
  readonly truth?: string
  /** false: no record is kept, only how labels are distributed; true by default */
  readonly shown?: boolean
  readonly now?: () => number
}

const kept = 24
const betweenMs = 100
const longestText = 80
const mostScores = 16
const mostInputs = 1024

export function createSamples({ truth, shown = true, now = Date.now }: SamplesOptions = {}): Samples {
  const predictions: PredictionSample[] = []
  const mix = createLabelMix(truth, now)
  let lastAt = Number.NEGATIVE_INFINITY
  return {
    shown,
    predictions,
    get labels() {
      return mix.current
    },
    observer: observing({
      published({ batch }: Encoded) {
        mix.add(batch)
        if (!shown || now() - lastAt < betweenMs) return
        const sample = predictionSample(batch, batch.rows - 1, truth)
        if (!sample) return
        lastAt = now()
        predictions.unshift(sample)
        if (predictions.length > kept) predictions.pop()
      },
    }),
  }
}

/** The part that row `row` of a batch belongs to, its row there, and the index of its record. */
function locate({ parts }: Scored, row: number): { part: Decoded; row: number; index: number } | undefined {
  let left = row
  for (const part of parts) {
    if (left < part.rows.count) {
      let index = left
      for (const rejected of [...part.rejected.keys()].sort((one, other) => one - other)) if (rejected <= index) index++
      return { part, row: left, index }
    }
    left -= part.rows.count
  }
  return undefined
}

function predictionSample(batch: Scored, row: number, truth: string | undefined): PredictionSample | undefined {
  const at = row >= 0 && !batch.failed.has(row) ? locate(batch, row) : undefined
  const record = at?.part.records[at.index]
  if (!at || !record) return undefined
  const { labels, scores, scoresWidth } = batch.outputs
  const from = row * scoresWidth
  const echo = Object.fromEntries(
    Object.entries(at.part.echo?.[at.row] ?? {}).map(([name, value]) => [name, value.slice(0, longestText)]),
  )
  return {
    partition: at.part.partition,
    offset: record.offset,
    key: textOf(record.key),
    at: batch.scoredAt,
    model: at.part.generation.model,
    generation: at.part.generation.number,
    label: labels?.[row]?.slice(0, longestText) ?? null,
    scores: [...scores.subarray(from, from + Math.min(scoresWidth, mostScores))].map(finite),
    input: inputOf(at.part, at.row),
    echo,
    truth: (truth !== undefined && echo[truth]) || null,
  }
}

const inputOf = ({ generation, rows }: Decoded, row: number): PredictionSample['input'] => {
  for (const [i, { width, shape, type }] of generation.plan.inputs.entries()) {
    const column = rows.columns[i]
    if (type === 'string' || width > mostInputs || !column || column.length < (row + 1) * width) continue
    const values = Array.from(column.slice(row * width, (row + 1) * width) as ArrayLike<number | bigint>, Number)
    return { shape, values: values.map(finite) }
  }
  return null
}

/** JSON knows no NaN. */
const finite = (value: number): number => (Number.isFinite(value) ? value : 0)
