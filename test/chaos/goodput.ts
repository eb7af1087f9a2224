/** How many records have their prediction in time: a deployment with a worker of its own, so much load, and a reader with a clock. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import { availablePorts, loopback } from '../../docker/ports.js'
import { topicNames } from '../../pipeline/config.js'
import { createTopics } from '../../pipeline/kafka/admin.js'
import { createLogWriter } from '../../pipeline/kafka/log-writer.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'
import type { Status } from '../../pipeline/rest-views.js'
import { slowSchema } from '../fixtures/slow-model.js'
import { startGenerator } from './generator.js'
import { account, type Goodput, type Switch } from './goodput-account.js'
import { startReader } from './goodput-reader.js'
import { until } from './until.js'

export interface Ground {
  readonly brokers: string
  readonly registry: string
  readonly kafka: Kafka
  /** the folder of bundles, with those of `storeSteadyModels` */
  readonly store: string
  /** … and their digests: without one, what is loaded may not be what is meant */
  readonly digests: readonly string[]
  /** what a record asks of the model */
  readonly rounds: number
  readonly deadlineMs: number
  readonly delivery: 'at-least-once' | 'exactly-once'
}

export interface Load {
  /** without: the deadline is only that of the reader */
  readonly class?: 'soft' | 'firm'
  readonly perSecond: number
  readonly seconds: number
  /** another model every so many milliseconds, or as soon as the one before scores; `cold`: each has to be loaded and verified anew */
  readonly switching?: { readonly everyMs: number; readonly cold: boolean }
}

/** What the worker says of itself at the end of a load. */
export type Told = Pick<Status, 'deadline' | 'mainThread'> & Pick<Status['pipe'], 'closedBy' | 'stages'>

const commandLine = resolve('dist/pipeline/cli/main.js')
const partitions = 4

/** With a deadline, everything that was sent is waited for: rejects when a record has no answer within two minutes. */
export async function measureGoodput(ground: Ground, load: Load): Promise<Goodput & { readonly worker: Told }> {
  const { registry, kafka, rounds, deadlineMs } = ground
  const deployment = `goodput-${randomUUID().slice(0, 8)}`
  const topics = topicNames(deployment)
  await createTopics(kafka, planTopics(topics, { partitions }))
  const [port = 0] = await availablePorts([undefined])
  const worker = startWorker(ground, deployment, load, port)
  const exited = once(worker, 'exit')
  const reader = startReader(kafka, registry, topics)
  const content = { schema: slowSchema, records: [{ key: 'steady', record: { rounds } }] }
  const control = createLogWriter(kafka, topics.control)
  const switchTo = async (version: number): Promise<Switch> => {
    const before = reader.generation
    const asked = Date.now()
    const command = { action: 'SWITCH', model: `steady@${version}`, digest: ground.digests[version - 1] }
    await control.append(deployment, Buffer.from(JSON.stringify(command)))
    await until('predictions of a new generation', () => reader.generation > before)
    return { asked, seen: Date.now() }
  }
  const generate = (perSecond: number) => startGenerator({ registry, topics, kafka, partitions }, perSecond, content)
  try {
    const first = await generate(20)
    await until('a prediction', () => reader.outcomes.some(({ kind }) => kind === 'prediction'))
    // What is warm was loaded and verified before, each beside the other.
    if (load.switching?.cold === false) for (const version of [2, 1]) await switchTo(version)
    await first.end()
    await until('the first answers', () => reader.outcomes.length >= first.acknowledged)
    const from = reader.outcomes.length
    const generator = await generate(load.perSecond)
    const began = Date.now()
    const switches = await switchUntil(began + load.seconds * 1_000, load.switching, switchTo)
    const ended = Date.now()
    const told = await whatItTells(port)
    await generator.end()
    const sent = generator.acknowledged
    if (load.class) await until('an answer to every record', () => reader.outcomes.length - from >= sent)
    return { ...account(reader.outcomes.slice(from), { sent, began, ended, deadlineMs, switches }), worker: told }
  } finally {
    // Without a deadline there is a backlog that nobody waits for.
    worker.kill(load.class ? 'SIGTERM' : 'SIGKILL')
    await exited
    await Promise.all([reader.end(), control.close()])
  }
}

function startWorker(
  { brokers, registry, store, delivery, deadlineMs }: Ground,
  deployment: string,
  load: Load,
  port: number,
) {
  const settings = [
    `bundles.directory=${store}`,
    `delivery=${delivery}`,
    'batch.maxRecords=256',
    `http.port=${port}`,
    ...(load.class ? [`deadline.class=${load.class}`, `deadline.ms=${deadlineMs}`] : []),
    ...(load.switching?.cold ? ['bundles.keepPrevious=false', 'verification.validForMs=0'] : []),
  ]
  const args = ['run', '--deployment', deployment, '--model', 'steady@1', '--log-level', 'error']
  return spawn(process.execPath, [commandLine, ...args, ...settings.flatMap((one) => ['--set', one])], {
    env: { PATH: process.env.PATH, MILLRACE_BROKERS: brokers, MILLRACE_REGISTRY: registry },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

async function whatItTells(port: number): Promise<Told> {
  const status = (await (await fetch(`http://${loopback}:${port}/v1/status`)).json()) as Status
  const { deadline, mainThread, pipe } = status
  return { deadline, mainThread, closedBy: pipe.closedBy, stages: pipe.stages }
}

/** Resolves at `end`, milliseconds since the epoch, with the switches that there were until then. */
async function switchUntil(
  end: number,
  switching: Load['switching'],
  switchTo: (version: number) => Promise<Switch>,
): Promise<Switch[]> {
  const switches: Switch[] = []
  if (switching) await sleep(3_000)
  while (switching && Date.now() + switching.everyMs < end) {
    // Two that take turns are both kept; of four, none is.
    const one = await switchTo(((switches.length + 1) % (switching.cold ? 4 : 2)) + 1)
    switches.push(one)
    await sleep(Math.max(0, one.asked + switching.everyMs - Date.now()))
  }
  await sleep(Math.max(0, end - Date.now()))
  return switches
}
