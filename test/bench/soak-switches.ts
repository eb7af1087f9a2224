/**
 * A thousand switches in a row under load, in one worker: memory, handles and threads have to end where they were.
 *
 *   npm run soak:switches -- --switches 1000 --rate 2000 --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081
 *
 * Brokers and registry also come from MILLRACE_BROKERS and MILLRACE_REGISTRY, as `millrace stack` prints them. The oldest records
 * are deleted at every look, as retention does it. Ends with 1 when something grew: a file, a handle or a thread between the first row and the
 * last, or memory from the second quarter of the rows, when allocators and compilers have what they want, to the last.
 */
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { filter, firstValueFrom } from 'rxjs'
import { parseConfig, topicNames } from '../../pipeline/config.js'
import { createTopics, withAdmin } from '../../pipeline/kafka/admin.js'
import { createKafka } from '../../pipeline/kafka/client.js'
import { createLogWriter } from '../../pipeline/kafka/log-writer.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'
import { createLogger } from '../../pipeline/logging.js'
import { startServedWorker } from '../../pipeline/serve.js'
import { startGenerator } from '../chaos/generator.js'

const { values } = parseArgs({
  options: {
    switches: { type: 'string', default: '1000' },
    every: { type: 'string', default: '100' },
    rate: { type: 'string', default: '2000' },
    brokers: { type: 'string', default: process.env.MILLRACE_BROKERS },
    registry: { type: 'string', default: process.env.MILLRACE_REGISTRY },
  },
})
const { brokers, registry } = values
if (!brokers || !registry) throw new Error('which Kafka? --brokers and --registry, or run `millrace stack`')
const [switches, every] = [Number(values.switches), Number(values.every)]
const models = ['digits@1', 'digits@2', 'digits@3']
const partitions = 4

interface Row {
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

const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 102.4) / 10
const entries = (path: string) => readdirSync(path).length

const deployment = `soak-${Date.now()}`
const topics = topicNames(deployment)
const kafka = createKafka({ brokers: brokers.split(','), clientId: 'soak' })
await createTopics(kafka, planTopics(topics, { partitions }))
const config = parseConfig({ deployment, brokers: brokers.split(','), registry, model: models[0], http: { port: 0 } })
const { worker, stop } = await startServedWorker({
  config,
  logger: createLogger({ level: 'warn', pretty: false, colors: false, stream: process.stderr }),
})
await worker.running
const generator = await startGenerator({ registry, topics, kafka, partitions }, Number(values.rate))
const control = createLogWriter(kafka, topics.control)

const activated = (command: string) =>
  firstValueFrom(worker.events.pipe(filter((event) => event.command === command && event.type === 'activated')))

const switchTo = async (model: string, number: number): Promise<void> => {
  const id = `soak-${number}`
  const done = activated(id)
  await control.append(deployment, Buffer.from(JSON.stringify({ id, action: 'SWITCH', model })))
  await done
}

const look = (done: number): Row => {
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  const row = {
    switches: done,
    rssMiB: mebibytes(rss),
    heapMiB: mebibytes(heapUsed),
    externalMiB: mebibytes(external),
    files: entries('/proc/self/fd'),
    handles: process.getActiveResourcesInfo().length,
    threads: entries('/proc/self/task'),
    records: generator.acknowledged,
  }
  console.log(JSON.stringify(row))
  return row
}

const keptPerPartition = 1_000
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

// Every model was loaded once, and one is kept beside the active one: from there on nothing has a reason to grow.
for (let number = 1; number <= models.length * 2; number++) await switchTo(models[number % models.length]!, -number)
const before = look(0)
const began = performance.now()
const rows: Row[] = []
for (let number = 1; number <= switches; number++) {
  await switchTo(models[number % models.length]!, number)
  if (number % every === 0) {
    await retain()
    rows.push(look(number))
  }
}
const seconds = (performance.now() - began) / 1000
const { threadDeaths } = worker.status

await generator.end()
await stop()
await control.close()
const last = rows.at(-1) ?? before
console.table([before, ...rows])
console.log(`${switches} switches in ${seconds.toFixed(0)} s, ${threadDeaths} threads died`)
// A fetch or a timer may be under way at either look.
const slack = 4
/** Of a quarter of the rows, 0 to 3. */
const median = (quarter: number, of: (row: Row) => number): number => {
  const values = rows
    .slice(Math.floor((quarter * rows.length) / 4), Math.ceil(((quarter + 1) * rows.length) / 4))
    .map(of)
  return values.sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}
const grew = (of: (row: Row) => number, slackMiB: number) => median(3, of) > median(1, of) + slackMiB
const grown =
  last.files > before.files + slack ||
  last.threads > before.threads + 1 ||
  last.handles > before.handles + slack ||
  grew(({ heapMiB }) => heapMiB, 2) ||
  grew(({ externalMiB }) => externalMiB, 8) ||
  grew(({ rssMiB }) => rssMiB, 48)
if (grown) console.log('something grew')
process.exitCode = grown ? 1 : 0
