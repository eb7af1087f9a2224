/**
 * The metrics of a worker for Prometheus. Counters that the worker keeps anyway are read when somebody asks; only distributions are fed as
 * batches pass. What Node itself says of the process (CPU, memory, garbage collection, delay of the event loop) comes from prom-client.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Observable } from 'rxjs'
import { errors, rejects } from '../stages/errors.js'
import type { DeadlineRule } from '../stages/ports.js'
import { type CreditConfig, creditLimitsOf } from './credit-limits.js'
import type { FallbackStatus } from './deadline-fallback.js'
import { type DeadlineStats, observeSlack, withheld } from './deadline-stats.js'
import type { ModelEvent } from './messages.js'
import { observeDistributions } from './metric-distributions.js'
import { type MetricEntry, type MetricName, metricTable } from './metric-table.js'
import type { PartState } from './part-states.js'
import { observers, type PipeObserver } from './pipe-observer.js'
import type { PipeStats } from './pipe-stats.js'
import type { ShadowStats } from './shadow-report.js'
import type { BudgetCount } from './stage-costs.js'
import type { SwapStatus } from './swap/swap.js'

/** What metrics need of a worker. */
export interface MeasuredWorker {
  readonly id: string
  readonly config: CreditConfig
  readonly status: {
    readonly deployment: string
    readonly ready: boolean
    readonly parts: readonly PartState[]
    readonly model: SwapStatus
    readonly pipe: PipeStats
    readonly mainThread: { readonly activeMs: number; readonly idleMs: number }
    readonly threadDeaths: number
    readonly budgets: readonly BudgetCount[]
    readonly fallback: FallbackStatus | undefined
    readonly shadow: ShadowStats | undefined
    readonly deadline: DeadlineStats | undefined
  }
  readonly events: Observable<ModelEvent>
}

export interface PartitionLag {
  readonly partition: number
  readonly lag: number
}

export interface Metrics {
  /** Goes to the worker, beside its own counters. */
  readonly observer: PipeObserver
  readonly contentType: string
  /** In the text format of Prometheus. */
  text(): Promise<string>
  /** Measures this worker from now on. `lag`: of the partitions it has; where it rejects, none is shown. */
  watch(worker: MeasuredWorker, lag?: () => Promise<readonly PartitionLag[]>): void
}

/** `deadline`: the rule of now, where there is one. */
export function createMetrics(deadline?: () => DeadlineRule): Metrics {
  const registry = new Registry()
  const meters = createMeters(registry)
  let worker: MeasuredWorker | undefined
  let lagOf: (() => Promise<readonly PartitionLag[]>) | undefined
  collectDefaultMetrics({ register: registry })

  return {
    observer: deadline
      ? observers([observeDistributions(meters), slackObserver(meters, deadline)])
      : observeDistributions(meters),
    contentType: registry.contentType,
    async text() {
      const lag = (await lagOf?.().catch(() => undefined)) ?? []
      if (worker) showStatus(meters, worker, lag)
      return registry.metrics()
    },
    watch(watched, lag) {
      worker = watched
      lagOf = lag
      watched.events.subscribe(({ type, code }) => {
        const { millrace_fences_total: fences, millrace_switches_total: switches } = meters.counters
        // A code of the table only: events may say more one day.
        if (code && (code in errors || code in rejects)) meters.counters.millrace_refusals_total.inc({ code })
        if (type === 'fenced') fences.inc()
        else if (type === 'activated' || type === 'failed') switches.inc({ result: type })
        else if (type === 'rolled-back') switches.inc({ result: 'rolled_back' })
      })
    },
  }
}

type Names<Type> = {
  [Name in MetricName]: (typeof metricTable)[Name]['type'] extends Type ? Name : never
}[MetricName]

export interface Meters {
  readonly counters: Readonly<Record<Names<'counter'>, Counter>>
  readonly gauges: Readonly<Record<Names<'gauge'>, Gauge>>
  readonly histograms: Readonly<Record<Names<'histogram'>, Histogram>>
}

const createMeters = (registry: Registry): Meters => {
  const made = (type: MetricEntry['type']) =>
    Object.fromEntries(
      Object.entries<MetricEntry>(metricTable)
        .filter(([, entry]) => entry.type === type)
        .map(([name, { help, labels, buckets }]) => {
          const options = { name, help, labelNames: [...labels], registers: [registry] }
          if (type === 'counter') return [name, new Counter(options)]
          if (type === 'gauge') return [name, new Gauge(options)]
          return [name, new Histogram({ ...options, buckets: [...(buckets ?? [])] })]
        }),
    )
  return { counters: made('counter'), gauges: made('gauge'), histograms: made('histogram') } as unknown as Meters
}

/** One value for each combination of labels, in place of those that were there. */
type Values = readonly (readonly [labels: Record<string, string | number>, value: number])[]

const slackObserver = ({ histograms }: Meters, rule: () => DeadlineRule): PipeObserver =>
  observeSlack(rule, (stage, ms) =>
    histograms.millrace_deadline_slack_seconds.observe({ class: rule().class, stage }, ms / 1_000),
  )

const showStatus = (
  { counters, gauges }: Meters,
  { id, config, status }: MeasuredWorker,
  lag: readonly PartitionLag[],
) => {
  const { deployment, ready, parts, model, pipe, mainThread, threadDeaths, budgets, shadow, deadline } = status
  const count = (name: keyof Meters['counters'], values: Values) => {
    counters[name].reset()
    for (const [labels, value] of values) counters[name].inc(labels, value)
  }
  const gauge = (name: keyof Meters['gauges'], values: Values) => {
    gauges[name].reset()
    for (const [labels, value] of values) gauges[name].set(labels, value)
  }
  const by = (label: string, values: object): Values =>
    Object.entries(values).map(([key, value]) => [{ [label]: key }, value])

  gauge('millrace_info', [[{ deployment, worker: id, node: process.version }, 1]])
  gauge('millrace_ready', [[{}, ready ? 1 : 0]])
  gauge(
    'millrace_part_state',
    parts.map(({ part, state }) => [{ part, state }, 1]),
  )
  gauge('millrace_in_flight_records', [[{}, pipe.inFlight]])
  gauge('millrace_in_flight_bytes', [[{}, pipe.inFlightBytes]])
  const credits = creditLimitsOf(config)
  gauge('millrace_credit_records', [[{}, credits.records]])
  gauge('millrace_credit_bytes', [[{}, credits.bytes]])
  gauge(
    'millrace_lag_records',
    lag.map(({ partition, lag }) => [{ partition }, lag]),
  )
  gauge('millrace_generation', [[{}, model.active?.generation ?? 0]])
  gauge(
    'millrace_model_state',
    model.generations.map(({ model, state }) => [{ model, state }, 1]),
  )
  count('millrace_records_in_total', [[{}, pipe.records]])
  count('millrace_input_bytes_total', [[{}, pipe.bytes]])
  // With a soft deadline what is late is a prediction.
  const late = deadline?.class === 'firm' && { late: withheld(deadline) }
  const out = { predictions: pipe.predictions, dead_letter: pipe.deadLetters, ...late }
  count('millrace_records_out_total', by('kind', out))
  count('millrace_records_rejected_total', by('code', pipe.rejected))
  count('millrace_batches_total', by('closed_by', pipe.closedBy))
  count(
    'millrace_stage_seconds_total',
    pipe.stages.map(({ stage, totalMs }) => [{ stage }, totalMs / 1_000]),
  )
  count(
    'millrace_stage_wait_seconds_total',
    pipe.stages.map(({ stage, waitMs }) => [{ stage }, waitMs / 1_000]),
  )
  count(
    'millrace_stage_batches_total',
    pipe.stages.map(({ stage, batches }) => [{ stage }, batches]),
  )
  count(
    'millrace_main_thread_seconds_total',
    by('state', { active: mainThread.activeMs / 1_000, idle: mainThread.idleMs / 1_000 }),
  )
  count('millrace_commits_total', [[{}, pipe.commits]])
  count('millrace_transactions_total', by('result', pipe.transactions))
  count('millrace_inference_thread_deaths_total', [[{}, threadDeaths]])
  count('millrace_fallback_records_total', [[{}, status.fallback?.records ?? 0]])
  const perStage = (pick: (budget: BudgetCount) => number): Values =>
    budgets.map((budget) => [{ stage: budget.stage, class: budget.class }, pick(budget)])
  count(
    'millrace_budget_batches_total',
    perStage(({ batches }) => batches),
  )
  count(
    'millrace_budget_missed_total',
    perStage(({ missed }) => missed),
  )
  if (deadline) {
    const { class: kind, records, missed } = deadline
    count('millrace_deadline_records_total', [[{ class: kind }, records]])
    count(
      'millrace_deadline_missed_total',
      Object.entries(missed).map(([stage, missed]) => [{ class: kind, stage }, missed]),
    )
  }
  if (!shadow) return
  const { compared, agreed, failed, skipped, meanDistance, maxDistance } = shadow
  count('millrace_shadow_records_total', by('result', { agreed, differed: compared - agreed, failed, skipped }))
  gauge('millrace_shadow_distance', [
    ...(meanDistance === null ? [] : [[{ of: 'mean' }, meanDistance] as const]),
    ...(maxDistance === null ? [] : [[{ of: 'max' }, maxDistance] as const]),
  ])
}
