/**
 * The spans of a batch on its way: one for the batch, and in it one for each stage.
 *
 *   batch ├ decode ┤├ wait ┤├ infer ┤├ encode ┤├ publish ┤├ commit ┤
 *
 * Told by the observer alone, so that no stage knows of it. Exactly once, the commit is part of `publish`: it is a transaction.
 */
import type { Context, Span, SpanStatusCode, Tracer } from '@opentelemetry/api'
import type { Covered, Encoded, MicroBatch, Scored } from '../stages/ports.js'
import { observing, type PipeObserver } from './pipe-observer.js'
import { linksOf } from './trace-links.js'

export interface BatchSpanOptions {
  readonly tracer: Tracer
  /** a context in which the span is the parent */
  readonly within: (span: Span) => Context
  readonly errorStatus: SpanStatusCode
  /** Whether the next batch is traced. */
  readonly sampled: () => boolean
  readonly maxLinks?: number
  /** milliseconds since the epoch, with fractions */
  readonly now?: () => number
}

/** A batch, or the piece of it that one model of a canary has scored. */
interface Traced {
  readonly span: Span
  readonly inside: Context
  /** when the stage before was done */
  since: number
  /** parts that are not yet published */
  parts: number
}

/** Batches that may wait for their commit; the oldest of more end without one. */
const mostUncommitted = 1_000

export function observeSpans({
  tracer,
  within,
  errorStatus,
  sampled,
  maxLinks = 32,
  now = () => performance.timeOrigin + performance.now(),
}: BatchSpanOptions): PipeObserver {
  // Stages keep order, but for publishing exactly once. What is not traced has its place too.
  const scoring: { readonly traced: Traced | undefined; parts: number }[] = []
  const encoding: (Traced | undefined)[] = []
  const publishing = new Map<Encoded, { readonly traced: Traced; readonly since: number }>()
  const uncommitted: { readonly traced: Traced; readonly covered: readonly Covered[]; readonly since: number }[] = []
  const committed = new Map<string, number>()
  let fetchedAt = 0
  let decodingSince: number | undefined
  let decodedAt = 0

  const stage = (name: string, { inside }: Traced, startTime: number, endTime: number) =>
    tracer.startSpan(name, { startTime }, inside).end(endTime)

  const isCommitted = (covered: readonly Covered[]) =>
    covered.every(({ topic, partition, next }) => (committed.get(`${topic}/${partition}`) ?? -1) >= next)

  const begin = (batch: MicroBatch, at: number): Traced => {
    const startTime = decodingSince ?? at
    const { generation, parts, rows, closedBy } = batch
    const span = tracer.startSpan('batch', {
      startTime,
      links: linksOf(parts, maxLinks),
      attributes: {
        'messaging.system': 'kafka',
        'messaging.destination.name': parts[0]?.topic ?? '',
        'messaging.batch.message_count': parts.reduce((sum, { records }) => sum + records.length, 0),
        'millrace.model': generation.model,
        'millrace.generation': generation.number,
        'millrace.rows': rows,
        'millrace.closed_by': closedBy,
      },
    })
    const traced = { span, inside: within(span), since: at, parts: parts.length }
    stage('decode', traced, startTime, Math.max(startTime, decodedAt))
    stage('wait', traced, Math.max(startTime, decodedAt), at)
    return traced
  }

  const end = (one: (typeof uncommitted)[number], at: number) => {
    if (at > one.since) stage('commit', one.traced, one.since, at)
    one.traced.span.end(at)
  }

  return observing({
    fetched() {
      fetchedAt = now()
    },
    decoded() {
      decodedAt = now()
      decodingSince ??= fetchedAt
    },
    batched(batch) {
      scoring.push({ traced: sampled() ? begin(batch, now()) : undefined, parts: batch.parts.length })
      decodingSince = undefined
      fetchedAt = now()
    },
    scored({ parts, failed }: Scored) {
      const head = scoring[0]
      if (head) head.parts -= parts.length
      if (head && head.parts <= 0) scoring.shift()
      const traced = head?.traced
      encoding.push(traced)
      if (!traced) return
      const at = now()
      const span = tracer.startSpan('infer', { startTime: traced.since }, traced.inside)
      if (failed.size > 0)
        span
          .setStatus({ code: errorStatus, message: `${failed.size} rows failed` })
          .setAttribute('millrace.failed', failed.size)
      span.end(at)
      traced.since = at
    },
    encoded(encoded: Encoded) {
      const traced = encoding.shift()
      if (!traced) return
      const at = now()
      publishing.set(encoded, { traced, since: at })
      stage('encode', traced, traced.since, at)
    },
    published(encoded: Encoded) {
      const one = publishing.get(encoded)
      if (!one) return
      publishing.delete(encoded)
      const { batch, covered } = encoded
      const { traced, since } = one
      const at = now()
      stage('publish', traced, since, at)
      traced.parts -= batch.parts.length
      if (traced.parts > 0) return
      const published = { traced, covered, since: at }
      if (isCommitted(covered)) return end(published, at)
      uncommitted.push(published)
      if (uncommitted.length > mostUncommitted) end(uncommitted.shift()!, at)
    },
    committed(offsets) {
      const at = now()
      for (const { topic, partition, next } of offsets) committed.set(`${topic}/${partition}`, next)
      for (let one = uncommitted[0]; one && isCommitted(one.covered); one = uncommitted[0]) {
        uncommitted.shift()
        end(one, at)
      }
    },
    ended() {
      const left = [...scoring, ...publishing.values()].map(({ traced }) => traced).concat(encoding)
      for (const traced of new Set([...left, ...uncommitted.map(({ traced }) => traced)])) traced?.span.end()
      scoring.length = encoding.length = uncommitted.length = 0
      publishing.clear()
      committed.clear()
      decodingSince = undefined
    },
  })
}
