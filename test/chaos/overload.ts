/**
 * More than can be scored: `npm run overload`. First one batch takes a minute; then five times as much comes in as goes out, for ten minutes; then
 * the worker is asked to stop. Ends with 1 when memory grew, the lag did not or could not be seen, the worker lost its partitions or was slow to end.
 *
 *   npm run overload -- --seconds 60 --inference 20 --delivery exactly-once
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { groupStatus } from '../../pipeline/kafka/group-status.js'
import { roundsPerMs, slowSchema, storeSlowModel } from '../fixtures/slow-model.js'
import { startGenerator } from './generator.js'
import { until } from './until.js'
import { startWatcher } from './watcher.js'
import { createWorld, type Delivery, type WorkerProcess, type World } from './world.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    inference: { type: 'string', default: '60' },
    times: { type: 'string', default: '5' },
    delivery: { type: 'string', default: 'at-least-once' },
  },
})
const seconds = Number(values.seconds)
const delivery = values.delivery as Delivery
/** a batch of so many records takes so long: a thousand a second can be scored */
const [batchRecords, batchMs] = [200, 200]
const partitions = 4

interface Sample {
  readonly seconds: number
  readonly residentMb: number
  /** by the worker's own metrics */
  readonly lag: number
  readonly sent: number
  readonly scored: number
}

/** Who has the partitions, in words that change when anything about it does. */
async function tenure({ kafka, deployment, topics }: World, { url }: WorkerProcess): Promise<string> {
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

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)]!

const deployment = `overload-${randomUUID().slice(0, 8)}`
const set = [`batch.maxRecords=${batchRecords}`, 'batch.maxDelayMs=1000', 'inference.concurrency=1']
const world = await createWorld({ deployment, delivery, partitions, model: 'slow@1', set })
const wrong: string[] = []
try {
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

  const before = await tenure(world, worker)
  const check = async (when: string) => {
    const now = await tenure(world, worker)
    if (now !== before) wrong.push(`${when}: ${now} instead of ${before}`)
  }
  const inference = Number(values.inference)
  console.error(`one batch that takes ${inference} s`)
  const began = performance.now()
  const slow = await startGenerator(world, 5, content(inference * 1000))
  await until('a slow record', () => slow.acknowledged > 0)
  await slow.end()
  for (; watcher.seen < first.acknowledged + slow.acknowledged; await sleep(1_000)) await check('during a slow batch')
  const inferenceSeconds = Math.round((performance.now() - began) / 1000)

  const rate = Number(values.times) * (batchRecords / batchMs) * 1000
  console.error(`${rate} records/s for ${seconds} s`)
  const generator = await startGenerator(world, rate, content(batchMs))
  const samples: Sample[] = []
  const [from, seen] = [performance.now(), watcher.seen]
  for (let at = 0; at < seconds; at = (performance.now() - from) / 1000) {
    await sleep(2_000)
    await check(`after ${Math.round(at)} s`)
    const [sent, scored] = [generator.acknowledged, watcher.seen - seen]
    samples.push({ seconds: Math.round(at), residentMb: residentMb(worker), lag: await lagOf(worker), sent, scored })
    if (samples.length % 15 === 0) console.error(JSON.stringify(samples[samples.length - 1]))
  }
  const stopping = performance.now()
  await world.signalWorker(worker, 'SIGTERM')
  const stopMs = Math.round(performance.now() - stopping)
  await generator.end()
  await watcher.end()

  // The first third is the filling of the pipe and of the heap.
  const third = Math.floor(samples.length / 3)
  const [middle, late] = [samples.slice(third, 2 * third), samples.slice(2 * third)]
  const memory = [middle, late].map((part) => median(part.map((one) => one.residentMb)))
  if (memory[1]! > memory[0]! * 1.1) wrong.push(`memory grew from ${memory[0]} to ${memory[1]} MB`)
  const last = samples[samples.length - 1]!
  if (last.sent < 3 * last.scored) wrong.push(`${last.sent} in and ${last.scored} out: no overload`)
  if (samples.some(({ lag }, i) => i > 0 && lag < samples[i - 1]!.lag)) wrong.push('the lag that is shown did not grow')
  if (last.lag < (last.sent - last.scored) * 0.8)
    wrong.push(`a lag of ${last.lag}, and ${last.sent - last.scored} to do`)

  const table = new Table({ style: { head: [], border: [] } })
  table.push(
    ['delivery', delivery],
    [`answers to batches of ${inference} s after, seconds`, inferenceSeconds],
    ['in / out, records', `${last.sent} / ${last.scored}`],
    [
      'lag shown at a third, two thirds, the end',
      [samples[third], samples[2 * third], last].map((one) => one!.lag).join(' / '),
    ],
    [
      'memory: median of the middle third, of the last, most (MB)',
      `${memory.join(' / ')} / ${Math.max(...samples.map((one) => one.residentMb))}`,
    ],
    ['who had the partitions', before],
    ['stopped within, ms', stopMs],
    ['verdict', wrong.length === 0 ? 'ok' : [...new Set(wrong)].slice(0, 5).join('\n')],
  )
  console.log(table.toString())
} finally {
  await world.close()
}
process.exitCode = wrong.length === 0 ? 0 : 1
