/** Watches a model for a while after a switch, and says when it passes a limit: it fails, is slow, or as a shadow disagrees too often. */
import type { Generation, MicroBatch, Scored, ShadowComparison } from '../stages/ports.js'
import type { GuardrailSettings } from './config-models.js'
import { observing, type PipeObserver } from './pipe-observer.js'

export interface GuardrailOptions {
  /** of now: limits may change under a watch; undefined: nothing is watched */
  readonly settings: () => GuardrailSettings | undefined
  /** what scores, while it is to be watched */
  readonly watched: () => Generation | undefined
  /** Called once for a generation, with the figures in one line. */
  readonly onTripped: (generation: Generation, reason: string) => void
  /** milliseconds, from any beginning */
  readonly now?: () => number
}

export interface Guardrails {
  readonly observer: PipeObserver
  onCompared(comparison: ShadowComparison): void
}

const keptLatencies = 2_048
const judgedEveryMs = 100

/** Judges by what passes through this worker; figures of other workers are theirs to judge. */
export function createGuardrails({
  settings,
  watched,
  onTripped,
  now = () => performance.now(),
}: GuardrailOptions): Guardrails {
  /** batches that are being scored: stages keep order, in a canary one comes back in two parts */
  const scoring: { readonly since: number; rows: number }[] = []
  let watch = begin(undefined, 0)
  let judgedAt = Number.NEGATIVE_INFINITY

  /** The watch over the generation, if that is what is watched. Begins with a generation, whether or not it has limits then. */
  const watchOf = (number: number) => {
    const generation = watched()
    if (generation?.number !== watch.generation?.number) watch = begin(generation, now())
    const limits = settings()
    const over = !limits || watch.tripped || now() - watch.since > limits.windowMs
    return over || watch.generation?.number !== number ? undefined : watch
  }

  const judge = () => {
    const limits = settings()
    if (now() - judgedAt < judgedEveryMs || !watch.generation || !limits) return
    judgedAt = now()
    const reason = passedLimit(watch, limits)
    if (reason === undefined) return
    watch.tripped = true
    onTripped(watch.generation, reason)
  }

  const scored = ({ generation, rows, failed }: Scored) => {
    const head = scoring[0]
    const took = head ? now() - head.since : 0
    if (head) head.rows -= rows
    if (head && head.rows <= 0) scoring.shift()
    const current = watchOf(generation.number)
    // In a canary only what the candidate says is in question.
    if (!current || generation.digest !== suspectOf(current.generation!).digest) return
    current.records += rows
    current.failed += failed.size
    if (rows > 0) current.latencies[current.batches++ % keptLatencies] = took
    judge()
  }

  return {
    observer: observing({
      batched: ({ rows }: MicroBatch) => void scoring.push({ since: now(), rows }),
      scored,
      ended: () => {
        scoring.length = 0
      },
    }),
    onCompared({ active, pairs, failed }) {
      const current = watchOf(active.number)
      if (!current) return
      current.compared += pairs.length + failed
      current.disagreed += failed
      for (const { agree } of pairs) if (!agree) current.disagreed++
      judge()
    },
  }
}

/** The model that is new in a generation. A shadow is judged by what it says alone: its failures are disagreement. */
const suspectOf = (generation: Generation): Generation => generation.canary?.generation ?? generation

interface Watch {
  readonly generation: Generation | undefined
  readonly since: number
  tripped: boolean
  records: number
  failed: number
  compared: number
  disagreed: number
  batches: number
  /** milliseconds, of the last batches */
  readonly latencies: number[]
}

function begin(generation: Generation | undefined, since: number): Watch {
  return {
    generation,
    since,
    tripped: false,
    records: 0,
    failed: 0,
    compared: 0,
    disagreed: 0,
    batches: 0,
    latencies: [],
  }
}

const percent = (share: number) => `${Number((share * 100).toFixed(1))} %`

function passedLimit(watch: Watch, settings: GuardrailSettings): string | undefined {
  const { minRecords, maxErrorRate, maxLatencyMs, maxDisagreement } = settings
  const { records, failed, compared, disagreed } = watch
  if (maxDisagreement !== undefined && compared >= minRecords && disagreed / compared > maxDisagreement)
    return `the shadow says something else of ${percent(disagreed / compared)} of ${compared} records, ${percent(maxDisagreement)} allowed`
  // Whatever a shadow does, the active model is not to blame.
  if (watch.generation?.shadow || records < minRecords) return undefined
  if (maxErrorRate !== undefined && failed / records > maxErrorRate)
    return `it fails on ${percent(failed / records)} of ${records} records, ${percent(maxErrorRate)} allowed`
  if (maxLatencyMs === undefined) return undefined
  const sorted = watch.latencies.toSorted((one, other) => one - other)
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0
  return p99 > maxLatencyMs
    ? `p99 of scoring a batch is ${p99.toFixed(1)} ms over ${records} records, ${maxLatencyMs} ms allowed`
    : undefined
}
