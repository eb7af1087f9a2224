/** A worker with more than it can score: what it is like while that lasts, and what is wrong with that. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { groupStatus } from '../../pipeline/kafka/group-status.js'
import { roundsPerMs, slowSchema, storeSlowModel } from '../fixtures/slow-model.js'
import { startGenerator } from './generator.js'
import { until } from './until.js'
import { startWatcher } from './watcher.js'
import type { WorkerProcess, World } from './world.js'

export interface Load {
  /** a batch that takes so long, before the others */
  readonly slowBatchSeconds: number
  /** so many times what can be scored … */
  readonly times: number
  /** … for so long */
  readonly seconds: number
  readonly lookEveryMs: number
  readonly onProgress: (line: string) => void
}

export interface Sample {
  readonly seconds: number
  readonly residentMb: number
  /** by the worker's own metrics */
  readonly lag: number
  readonly sent: number
  readonly scored: number
}

export interface Endured {
  /** who had the partitions, in words */
  readonly tenure: string
  /** looks at which that was another, or not so */
  readonly strays: readonly string[]
  /** until the slow records had their predictions */
  readonly slowSeconds: number
  readonly samples: readonly Sample[]
  readonly stopMs: number
}

/** of a batch of the worker: a thousand records a second can be scored */
const [batchRecords, batchMs] = [200, 200]
/** What a worker of such a world is started with. */
export const overloadWorker = {
  partitions: 4,
  model: 'slow@1',
  set: [`batch.maxRecords=${batchRecords}`, 'batch.maxDelayMs=1000', 'inference.concurrency=1'],
}

/** First the slow batch, then the load, then SIGTERM in the middle of it. Rejects when the worker does not end in time. */
export async function runOverload(world: World, load: Load): Promise<Endured> {
  await storeSlowModel(world.store)
  const perMs = await roundsPerMs()
  const content = (ms: number) => ({
    schema: slowSchema,
    records: [{ key: 'slow', record: { rounds: Math.round(ms * perMs) } }],
  })
  const worker = world.startWorker()
  const watcher = startWatcher(world)
  const first = await startGenerator(world, 10, content(1))
  await until('a prediction', () => watcher.seen > 0)
  await first.end()

  const tenure = await tenureOf(world, worker)
  const strays: string[] = []
  const look = async (when: string) => {
    const now = await tenureOf(world, worker)
    if (now !== tenure) strays.push(`${when}: ${now} instead of ${tenure}`)
  }
  load.onProgress(`one batch that takes ${load.slowBatchSeconds} s`)
  const began = performance.now()
  const slow = await startGenerator(world, 5, content(load.slowBatchSeconds * 1_000))
  await until('a slow record', () => slow.acknowledged > 0)
  await slow.end()
  for (; watcher.seen < first.acknowledged + slow.acknowledged; await sleep(load.lookEveryMs))
    await look('during a slow batch')
  const slowSeconds = Math.round((performance.now() - began) / 1_000)

  const rate = load.times * (batchRecords / batchMs) * 1_000
  load.onProgress(`${rate} records/s for ${load.seconds} s`)
  const generator = await startGenerator(world, rate, content(batchMs))
  const samples: Sample[] = []
  const [from, seen] = [performance.now(), watcher.seen]
  for (let at = 0; at < load.seconds; at = (performance.now() - from) / 1_000) {
    await sleep(load.lookEveryMs)
    await look(`after ${Math.round(at)} s`)
    const [sent, scored] = [generator.acknowledged, watcher.seen - seen]
    samples.push({ seconds: Math.round(at), residentMb: residentMb(worker), lag: await lagOf(worker), sent, scored })
    if (samples.length % 15 === 0) load.onProgress(JSON.stringify(samples.at(-1)))
  }
  const stopping = performance.now()
  await world.signalWorker(worker, 'SIGTERM')
  const stopMs = Math.round(performance.now() - stopping)
  await generator.end()
  await watcher.end()
  return { tenure, strays, slowSeconds, samples, stopMs }
}

/** The first third is the filling of the pipe and of the heap. */
export const thirdsOf = (samples: readonly Sample[]) => {
  const third = Math.floor(samples.length / 3)
  const medianMb = (part: readonly Sample[]) =>
    part.map(({ residentMb }) => residentMb).sort((one, other) => one - other)[Math.floor(part.length / 2)]!
  return {
    lags: [samples[third], samples[2 * third], samples.at(-1)].map((one) => one!.lag),
    memoryMb: [medianMb(samples.slice(third, 2 * third)), medianMb(samples.slice(2 * third))] as const,
  }
}

/** What is wrong, a line each. */
export function faultsOf({ strays, samples }: Pick<Endured, 'strays' | 'samples'>): string[] {
  const wrong = [...strays]
  const [middle, late] = thirdsOf(samples).memoryMb
  if (late > middle * 1.1) wrong.push(`memory grew from ${middle} to ${late} MB`)
  const { sent, scored, lag } = samples.at(-1)!
  if (sent < 3 * scored) wrong.push(`${sent} in and ${scored} out: no overload`)
  if (samples.some((one, i) => i > 0 && one.lag < samples[i - 1]!.lag)) wrong.push('the lag that is shown did not grow')
  if (lag < (sent - scored) * 0.8) wrong.push(`a lag of ${lag}, and ${sent - scored} to do`)
  return wrong
}

/** Who has the partitions, in words that change when anything about it does. */
async function tenureOf({ kafka, deployment, topics }: World, { url }: WorkerProcess): Promise<string> {
  const { state, members } = await groupStatus(kafka, deployment, topics.input)
  const { parts } = (await (await fetch(`${url}/v1/status`)).json()) as { parts: { part: string; detail: string }[] }
  const held = members.map((one) => `${one.memberId}: ${one.partitions.join(' ')}`)
  return [state, ...held, parts.find(({ part }) => part === 'source')?.detail].join(', ')
}

const lagOf = async ({ url }: WorkerProcess): Promise<number> => {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return [...metrics.matchAll(/^millrace_lag_records\S* (\d+)/gm)].reduce((sum, [, lag]) => sum + Number(lag), 0)
}

const residentMb = ({ child }: WorkerProcess): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024)
