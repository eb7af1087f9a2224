import { Subject } from 'rxjs'
import { beforeEach, expect, test } from 'vitest'
import { createDeadlineStats, type DeadlineCollector } from '../../pipeline/deadline-stats.js'
import type { ModelEvent } from '../../pipeline/messages.js'
import { metricTable } from '../../pipeline/metric-table.js'
import { createMetrics, type MeasuredWorker, type Metrics } from '../../pipeline/metrics.js'
import { createPipeStats, type StatsCollector } from '../../pipeline/pipe-stats.js'
import { rejects } from '../../stages/errors.js'
import type { Encoded, Scored } from '../../stages/ports.js'
import { decoded, fetched, generation } from '../fixtures/stage-values.js'

let metrics: Metrics
let stats: StatsCollector
let events: Subject<ModelEvent>
let worker: MeasuredWorker
let deadlines: DeadlineCollector
/** what the records of this test have, and the time of them */
const rule = { class: 'firm', ms: 500 } as const
const clock = { at: 0 }
const shadow = {
  candidate: 'm@3',
  compared: 10,
  agreed: 7,
  failed: 2,
  skipped: 1,
  meanDistance: 0.25,
  maxDistance: 0.5,
}
beforeEach(() => {
  metrics = createMetrics(() => rule)
  clock.at = 1_100
  deadlines = createDeadlineStats(
    () => rule,
    () => clock.at,
  )
  stats = createPipeStats()
  events = new Subject()
  const model = { generation: 3, model: 'm@2', digest: 'd', state: 'active' } as const
  worker = {
    id: 'w',
    config: { credits: { records: 100, bytes: 10_000 }, delivery: 'exactly-once' },
    events,
    get status() {
      return {
        deployment: 'digits',
        ready: true,
        parts: [{ part: 'source', state: 'running', detail: '', since: 0 }],
        model: { active: model, beside: undefined, previous: undefined, generations: [model], waiting: undefined },
        pipe: stats.snapshot(),
        mainThread: { activeMs: 1_500, idleMs: 500 },
        threadDeaths: 2,
        fallback: { model: 'digits@1', digest: 'd1', records: 6 },
        budgets: [{ stage: 'inference', class: 'firm', batches: 9, missed: 4 }],
        shadow: { ...shadow },
        deadline: deadlines.snapshot(),
      } as const
    },
  }
})

/** A batch of `offsets` on its way through both observers. */
const pass = (partition: number, offsets: number[], number = 1) => {
  const by = generation(number)
  const run = fetched(partition, 0, offsets)
  const part = decoded(run, by)
  const batch = { generation: by, parts: [part], rows: part.rows.count, closedBy: 'records' } as const
  const scored = { ...batch, failed: new Map(), scoredAt: 0 } as unknown as Scored
  const encoded = {
    batch: scored,
    outgoing: [{ kind: 'predictions', partition, records: run.records }],
    covered: [run],
    records: run.records.length,
    bytes: run.bytes,
  } as unknown as Encoded
  for (const { observer } of [metrics, stats, deadlines]) {
    observer.fetched(run)
    observer.decoded(part)
    observer.batched(batch)
    observer.scored(scored)
    observer.encoded(encoded)
    observer.published(encoded)
    observer.committed([run])
    observer.transacted('committed')
  }
}
const said = (type: string) => events.next({ type } as ModelEvent)
const value = (text: string, series: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1)

test('what is shown is what the table says, name by name, and nothing else of ours', async () => {
  metrics.watch(worker)
  const types = [...(await metrics.text()).matchAll(/^# TYPE (millrace_\S+) (\S+)$/gm)].map(([, name, type]) => [
    name,
    type,
  ])
  expect(Object.fromEntries(types)).toEqual(
    Object.fromEntries(Object.entries(metricTable).map(([name, { type }]) => [name, type])),
  )
})

test('counters are the counters of the worker, read when somebody asks', async () => {
  metrics.watch(worker, async () => [{ partition: 1, lag: 42 }])
  pass(1, [0, 1, 2])
  pass(1, [3, 4])
  for (const text of [await metrics.text(), await metrics.text()]) {
    expect(value(text, 'millrace_records_in_total')).toBe('5')
    expect(value(text, 'millrace_records_out_total{kind="predictions"}')).toBe('5')
    expect(value(text, 'millrace_in_flight_records')).toBe('0')
    expect(value(text, 'millrace_batches_total{closed_by="records"}')).toBe('2')
    expect(value(text, 'millrace_stage_batches_total{stage="infer"}')).toBe('2')
    for (const stage of ['decode', 'gather', 'infer', 'encode', 'publish'])
      for (const name of ['millrace_stage_seconds_total', 'millrace_stage_wait_seconds_total'])
        expect(Number(value(text, `${name}{stage="${stage}"}`))).toBeGreaterThanOrEqual(0)
    expect(value(text, 'millrace_main_thread_seconds_total{state="active"}')).toBe('1.5')
    expect(value(text, 'millrace_commits_total')).toBe('2')
    expect(value(text, 'millrace_transactions_total{result="committed"}')).toBe('2')
    expect(value(text, 'millrace_in_flight_bytes')).toBe('0')
    // Exactly once, records keep their credit until their transaction is committed.
    expect(value(text, 'millrace_credit_records')).toBe('800')
    expect(value(text, 'millrace_credit_bytes')).toBe('10000')
    expect(value(text, 'millrace_generation')).toBe('3')
    expect(value(text, 'millrace_model_state{model="m@2",state="active"}')).toBe('1')
    expect(value(text, 'millrace_inference_thread_deaths_total')).toBe('2')
    expect(value(text, 'millrace_fallback_records_total')).toBe('6')
    expect(value(text, 'millrace_budget_batches_total{stage="inference",class="firm"}')).toBe('9')
    expect(value(text, 'millrace_budget_missed_total{stage="inference",class="firm"}')).toBe('4')
    expect(value(text, 'millrace_lag_records{partition="1"}')).toBe('42')
    expect(value(text, 'nodejs_eventloop_lag_p99_seconds')).toBeDefined()
  }
})

test('of a batch its size is observed, the time it took, and the latency of its first and last record', async () => {
  pass(0, [0, 1, 2])
  pass(0, [3])
  const text = await metrics.text()
  expect(value(text, 'millrace_batch_rows_count')).toBe('2')
  expect(value(text, 'millrace_batch_rows_sum')).toBe('4')
  expect(value(text, 'millrace_inference_seconds_count{rows="2-16"}')).toBe('1')
  expect(value(text, 'millrace_inference_seconds_count{rows="1"}')).toBe('1')
  expect(value(text, 'millrace_latency_seconds_count')).toBe('3')
  for (const queue of ['batch', 'inference', 'publish'])
    expect(value(text, `millrace_queue_seconds_count{queue="${queue}"}`)).toBe('2')
})

test('a switch is counted, and the gap that it made in the output is measured once', async () => {
  metrics.watch(worker)
  for (const type of ['activated', 'activated', 'rolled-back', 'failed', 'fenced', 'prepared']) said(type)
  pass(0, [0], 1)
  pass(0, [1], 2)
  pass(0, [2], 2)
  metrics.observer.ended()
  pass(0, [3], 3)
  const text = await metrics.text()
  expect(value(text, 'millrace_switches_total{result="activated"}')).toBe('2')
  expect(value(text, 'millrace_switches_total{result="rolled_back"}')).toBe('1')
  expect(value(text, 'millrace_switches_total{result="failed"}')).toBe('1')
  expect(value(text, 'millrace_fences_total')).toBe('1')
  // A pipe that was built anew did not wait for the switch.
  expect(value(text, 'millrace_switch_output_gap_seconds_count')).toBe('1')
  expect(value(text, 'millrace_pipes_ended_total')).toBe('1')
})

test('a batch that a canary gives back in two pieces is one batch, with its whole size and time', () => {
  const clock = { at: 0 }
  const measured = createPipeStats(() => clock.at)
  const parts = [decoded(fetched(0, 0, [0, 1]), generation(1)), decoded(fetched(0, 2, [2]), generation(1))]
  const piece = (part: (typeof parts)[number]) =>
    ({ parts: [part], rows: part.rows.count, failed: new Map() }) as unknown as Scored
  const batch = { generation: generation(1), parts, rows: 3, closedBy: 'records' } as const
  for (const now of [0, 10]) {
    clock.at = now
    measured.observer.batched(batch)
  }
  for (const now of [20, 30]) {
    clock.at = now
    for (const part of parts) measured.observer.scored(piece(part))
  }
  expect(measured.snapshot().stages.find(({ stage }) => stage === 'infer')).toMatchObject({ batches: 2, totalMs: 40 })
})

test('the number of series does not grow with what flows', async () => {
  metrics.watch(worker)
  const count = async () => (await metrics.text()).split('\n').filter((line) => line.startsWith('millrace_')).length
  for (let i = 0; i < 50; i++)
    pass(
      0,
      Array.from({ length: 40 * (i + 1) }, (_, k) => k),
      i,
    )
  for (const code of Object.keys(rejects))
    stats.observer.decoded({
      ...decoded(fetched(0, 0, [0]), generation(1)),
      rejected: new Map([[0, { code, reason: '' }]]),
    } as never)
  const before = await count()
  for (let i = 0; i < 50; i++)
    pass(
      i,
      Array.from({ length: 40 * (i + 1) }, (_, k) => k),
      50 + i,
    )
  expect(await count()).toBe(before)
})

test('lag that cannot be had is left out, and everything else is shown', async () => {
  metrics.watch(worker, () => Promise.reject(new Error('the broker is away')))
  const text = await metrics.text()
  expect(text).not.toMatch(/^millrace_lag_records\{/m)
  expect(value(text, 'millrace_ready')).toBe('1')
})

test('records that cannot be scored are counted by their code, with bytes of everything', async () => {
  metrics.watch(worker)
  const run = fetched(0, 0, [0, 1, 2])
  stats.observer.fetched(run)
  const rejected = new Map([
    [0, { code: 'tombstone', reason: '' }],
    [2, { code: 'tombstone', reason: '' }],
    [1, { code: 'not-framed', reason: '' }],
  ] as const)
  stats.observer.decoded({ ...decoded(run, generation(1)), rejected })
  const text = await metrics.text()
  expect(value(text, 'millrace_records_rejected_total{code="tombstone"}')).toBe('2')
  expect(value(text, 'millrace_records_rejected_total{code="not-framed"}')).toBe('1')
  expect(value(text, 'millrace_input_bytes_total')).toBe(String(run.bytes))
})

test('what was refused is counted by its code, and how a shadow compares by its result', async () => {
  metrics.watch(worker)
  events.next({ type: 'failed', code: 'model-unknown' } as ModelEvent)
  events.next({ type: 'failed', code: 'model-unknown' } as ModelEvent)
  events.next({ type: 'failed', code: 'of another release' } as ModelEvent)
  events.next({ type: 'rolled-back', code: 'guardrail' } as ModelEvent)
  const text = await metrics.text()
  expect(text).toContain('millrace_refusals_total{code="model-unknown"} 2')
  expect(text).toContain('millrace_refusals_total{code="guardrail"} 1')
  expect(text).not.toContain('of another release')
  expect(text).toContain('millrace_shadow_records_total{result="agreed"} 7')
  expect(text).toContain('millrace_shadow_records_total{result="differed"} 3')
  expect(text).toContain('millrace_shadow_distance{of="mean"} 0.25')
})

test('records with a deadline are counted, with those that missed it and where, and the time that was left is measured', async () => {
  metrics.watch(worker)
  // Timestamps are 1000 and the offset.
  pass(0, [0, 1, 2])
  clock.at = 1_550
  pass(0, [3, 90])
  const text = await metrics.text()
  expect(value(text, 'millrace_deadline_records_total{class="firm"}')).toBe('5')
  expect(value(text, 'millrace_deadline_missed_total{class="firm",stage="publish"}')).toBe('1')
  expect(value(text, 'millrace_deadline_missed_total{class="firm",stage="admission"}')).toBe('0')
  for (const stage of ['gather', 'infer', 'publish'])
    expect(value(text, `millrace_deadline_slack_seconds_count{class="firm",stage="${stage}"}`)).toBe('4')
  const { slack } = deadlines.snapshot()
  expect(slack.map(({ stage, leastMs }) => [stage, leastMs])).toEqual([
    ['gather', 0],
    ['infer', 0],
    ['publish', 0],
  ])
})
