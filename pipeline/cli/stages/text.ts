/** Where the time goes, as people read it. */
import { deadlineText } from '../deadline-text.js'
import { count, milliseconds, percent } from '../format.js'
import { type Colors, facts, table } from '../output.js'
import type { Unreached } from './ask.js'
import type { Bound, WorkerShares } from './shares.js'

const what: Readonly<Record<string, string>> = {
  decode: 'Avro to tensors; main thread',
  gather: 'waiting to be a batch',
  infer: 'the model; a thread of its own',
  encode: 'predictions to Avro; main thread',
  publish: 'until the broker has them',
}

const bounds: Readonly<Record<Bound, string>> = {
  'main-thread': 'the main thread: more workers, each with a core',
  model: 'the model: inference.intraOpThreads, a smaller model, or more workers',
  broker: 'the broker: how long it takes to acknowledge, and the network to it',
  input: 'nothing here: it waits for records, from the broker or whoever writes them',
}

export const describeStages = (
  workers: readonly WorkerShares[],
  unreached: readonly Unreached[],
  colors: Colors,
): string =>
  [
    ...workers.map((one) => describeWorker(one, colors)),
    ...unreached.map(({ url, reason }) => colors.yellow(`${url}: ${reason}`)),
  ].join('\n\n')

const describeWorker = (one: WorkerShares, colors: Colors): string => {
  const closed = Object.entries(one.closedBy)
  const all = closed.reduce((sum, [, times]) => sum + times, 0)
  const by = closed
    .sort(([, some], [, others]) => others - some)
    .map(([reason, times]) => `${percent(times / all)} by ${reason}`)
  const size = one.stages.find(({ stage }) => stage === 'infer')?.recordsPerBatch ?? null
  const onMain = one.stages.filter(({ stage }) => stage === 'decode' || stage === 'encode')
  const rest = Math.max(0, one.mainThreadBusy - onMain.reduce((sum, { busy }) => sum + busy, 0))
  const parts = [...onMain.map(({ stage, busy }) => `${stage} ${percent(busy)}`), `Kafka and the rest ${percent(rest)}`]
  const head = facts(
    [
      ['worker', `${colors.bold(one.worker)} at ${one.url}`],
      ['in', `${count(one.recordsPerSecond)} records/s, ${count(one.inFlight)} in flight`],
      ['main thread', `${percent(one.mainThreadBusy)} busy: ${parts.join(', ')}`],
      ['batches', size === null ? 'none' : `${count(size)} records each; closed ${by.join(', ')}`],
      ['bound by', bounds[one.bound]],
      ...(one.deadline ? [['deadline', deadlineText(one.deadline)] as const] : []),
      ...(one.fallback
        ? [['fallback', `${one.fallback.model}; it has answered ${count(one.fallback.records)} records`] as const]
        : []),
      ...one.costs.flatMap((model) => costTexts(model).map((text) => ['costs', text] as const)),
    ],
    colors,
  )
  const stages = table(
    ['stage', 'busy', 'ms a batch', 'waiting', 'records a batch', 'records/s', ''],
    one.stages.map(({ stage, busy, batchMs, waitMs, recordsPerBatch, recordsPerSecond }) => [
      stage,
      percent(busy),
      milliseconds(batchMs),
      milliseconds(waitMs),
      recordsPerBatch === null ? '—' : count(recordsPerBatch),
      count(recordsPerSecond),
      colors.dim(what[stage] ?? ''),
    ]),
    { colors, align: ['left', 'right', 'right', 'right', 'right', 'right', 'left'] },
  )
  return `${head}\n\n${stages}`
}

/** What the stages of a model cost by batch size. */
const costTexts = ({ model, stages }: WorkerShares['costs'][number]): string[] =>
  stages.map(({ stage, table }) => {
    const sizes = table.map(
      ({ rows, p50Ms, p99Ms }) => `${count(rows)}: ${milliseconds(p50Ms)} / ${milliseconds(p99Ms)}`,
    )
    return `${model}, ${stage}: ms a batch, p50 / p99, by records: ${sizes.join(', ')}`
  })
