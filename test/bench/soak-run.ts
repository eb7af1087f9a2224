/** Switches in a row under load, in one worker of this process: what it holds on the way, and what of that has grown. */
import { readdirSync } from 'node:fs'
import { filter, firstValueFrom } from 'rxjs'
import { parseConfig, topicNames } from '../../pipeline/config.js'
import { createTopics, withAdmin } from '../../pipeline/kafka/admin.js'
import { createKafka } from '../../pipeline/kafka/client.js'
import { createLogWriter } from '../../pipeline/kafka/log-writer.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'
import { createLogger } from '../../pipeline/logging.js'
import { startServedWorker } from '../../pipeline/serve.js'
import { startGenerator } from '../chaos/generator.js'

export interface Soak {
  readonly brokers: string
  readonly registry: string
  readonly switches: number
  /** switches from one look to the next */
  readonly every: number
  readonly recordsPerSecond: number
  readonly onRow: (row: Row) => void
}

export interface Row {
  readonly switches: number
  readonly rssMiB: number
  readonly heapMiB: number
  /** outside of the heap: buffers of JavaScript */
  readonly externalMiB: number
  readonly files: number
  readonly handles: number
  readonly threads: number
  readonly records: number
}

export interface Soaked {
  /** before the first switch, and then every so many */
  readonly rows: readonly Row[]
  readonly seconds: number
  /** inference threads that died */
  readonly threadDeaths: number
}

const models = ['digits@1', 'digits@2', 'digits@3']
const partitions = 4
const keptPerPartition = 1_000

export async function soakSwitches(soak: Soak): Promise<Soaked> {
  const { registry, switches, every } = soak
  const brokers = soak.brokers.split(',')
  const deployment = `soak-${Date.now()}`
  const topics = topicNames(deployment)
  const kafka = createKafka({ brokers, clientId: 'soak' })
  await createTopics(kafka, planTopics(topics, { partitions }))
  const config = parseConfig({ deployment, brokers, registry, model: models[0], http: { port: 0 } })
  const { worker, stop } = await startServedWorker({
    config,
    logger: createLogger({ level: 'warn', pretty: false, colors: false, stream: process.stderr }),
  })
  await worker.running
  const generator = await startGenerator({ registry, topics, kafka, partitions }, soak.recordsPerSecond)
  const control = createLogWriter(kafka, topics.control)

  const switchTo = async (model: string, number: number): Promise<void> => {
    const id = `soak-${number}`
    const isDone = filter(
      ({ command, type }: { command: string | null; type: string }) => command === id && type === 'activated',
    )
    const done = firstValueFrom(worker.events.pipe(isDone))
    await control.append(deployment, Buffer.from(JSON.stringify({ id, action: 'SWITCH', model })))
    await done
  }
  const rows: Row[] = []
  const look = (done: number) => {
    const row = { switches: done, ...held(), records: generator.acknowledged }
    rows.push(row)
    soak.onRow(row)
  }
  /** What the topic would not keep for ever either. */
  const retain = () =>
    withAdmin(kafka, async (admin) => {
      const ends = await admin.fetchTopicOffsets(topics.input)
      const firsts = ends.map(({ partition, high }) => ({
        partition,
        offset: String(Math.max(0, Number(high) - keptPerPartition)),
      }))
      await admin.deleteTopicRecords({ topic: topics.input, partitions: firsts })
    })
  try {
    // Every model was loaded once, and one is kept beside the active one: from there on nothing has a reason to grow.
    for (let number = 1; number <= models.length * 2; number++) await switchTo(models[number % models.length]!, -number)
    look(0)
    const began = performance.now()
    for (let number = 1; number <= switches; number++) {
      await switchTo(models[number % models.length]!, number)
      if (number % every > 0) continue
      await retain()
      look(number)
    }
    const seconds = (performance.now() - began) / 1_000
    return { rows, seconds, threadDeaths: worker.status.threadDeaths }
  } finally {
    await generator.end()
    await stop()
    await control.close()
  }
}

const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 102.4) / 10
const entries = (path: string) => readdirSync(path).length

const held = () => {
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  return {
    rssMiB: mebibytes(rss),
    heapMiB: mebibytes(heapUsed),
    externalMiB: mebibytes(external),
    files: entries('/proc/self/fd'),
    handles: process.getActiveResourcesInfo().length,
    threads: entries('/proc/self/task'),
  }
}

/** How much more is none: a fetch or a timer may be under way at either look. */
const countSlack = { files: 4, threads: 1, handles: 4 } as const
const memorySlackMiB = { heapMiB: 2, externalMiB: 8, rssMiB: 48 } as const
const names = <T extends object>(of: T) => Object.keys(of) as (keyof T)[]

/**
 * Which of the figures grew: files, handles and threads between the first row and the last, memory from the second quarter of the rows, when
 * allocators and compilers have what they want, to the last.
 */
export function grown(all: readonly Row[]): (keyof Row)[] {
  const [before, ...rows] = all
  const last = all.at(-1)!
  const quarter = (which: number) =>
    rows.slice(Math.floor((which * rows.length) / 4), Math.ceil(((which + 1) * rows.length) / 4))
  const median = (of: readonly number[]) => of.toSorted((one, other) => one - other)[Math.floor(of.length / 2)] ?? 0
  const memory = (which: number, name: keyof Row) => median(quarter(which).map((row) => row[name]))
  return [
    ...names(countSlack).filter((name) => last[name] > before![name] + countSlack[name]),
    ...names(memorySlackMiB).filter((name) => memory(3, name) > memory(1, name) + memorySlackMiB[name]),
  ]
}
