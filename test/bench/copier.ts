/**
 * What Kafka alone costs: records of about 140 bytes from one topic to another, at least once, through source and publisher and with no
 * model between. `own` has the codecs and the fetch loop of this repository, `stock` is kafkajs through its public interface, and
 * `exactly-once` is `own` in transactions (give it more credits: what waits for its commit holds them).
 *
 *   MILLRACE_BROKERS=… node …/test/bench/copier.js [--records N] [--partitions P] [--rounds R] [--variants own,stock]
 *
 * Prints a line of JSON for each run and a table at the end. Each run is a process of its own.
 */
import { fork } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { mergeMap } from 'rxjs'
import { withAdmin } from '../../pipeline/kafka/admin.js'
import { createKafka } from '../../pipeline/kafka/client.js'
import { closeInternals } from '../../pipeline/kafka/internals.js'
import { createPublisher } from '../../pipeline/kafka/publisher.js'
import { createKafkaSource } from '../../pipeline/kafka/source.js'
import { createTransactionalPublisher } from '../../pipeline/kafka/transactional-publisher.js'
import { createCredits } from '../../stages/credits.js'
import type { Covered, Fetched, OutgoingRecord, TopicPartition } from '../../stages/ports.js'

const { values: given } = parseArgs({
  options: {
    records: { type: 'string', default: '2000000' },
    partitions: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
    variants: { type: 'string', default: 'own,stock' },
    credits: { type: 'string', default: '16384' },
    copy: { type: 'string' },
    input: { type: 'string', default: `copier-${randomUUID().slice(0, 8)}.input` },
    output: { type: 'string', default: `copier-${randomUUID().slice(0, 8)}.output` },
  },
})
const settings = {
  records: Number(given.records),
  partitions: Number(given.partitions),
  rounds: Number(given.rounds),
  credits: Number(given.credits),
}
const brokers = (process.env.MILLRACE_BROKERS ?? '127.0.0.1:9092').split(',')

interface Measured {
  readonly variant: string
  readonly records: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly residentMb: number
}

const newKafka = () => createKafka({ brokers, clientId: 'copier' })

const allTo = (topic: string) => ({ predictions: topic, deadLetter: topic, late: topic, shadow: topic, fences: topic })

interface Copying {
  publish(run: Fetched): Promise<void>
  begin?(partitions: readonly TopicPartition[]): Promise<void>
  close(): Promise<void>
}

const atLeastOnce = async (): Promise<Copying> => {
  const publisher = createPublisher({ kafka: newKafka(), topics: allTo(given.output) })
  await publisher.connect()
  return {
    publish: ({ partition, records }) => publisher.publish([{ kind: 'predictions', partition, records }]),
    close: publisher.close,
  }
}

const transactional = (groupId: string): Copying => {
  const publisher = createTransactionalPublisher({ kafka: newKafka(), groupId, topics: allTo(given.output) })
  return {
    publish: (run) =>
      publisher.publish({
        covered: run,
        outgoing: [{ kind: 'predictions', partition: run.partition, records: run.records }],
      }),
    begin: (partitions) => publisher.begin(partitions),
    close: publisher.close,
  }
}

/** Copies all of the input; the clock runs from the first record to the last acknowledgement. */
const copy = async (variant: string): Promise<Measured> => {
  if (variant === 'stock') closeInternals()
  const groupId = `copier-${randomUUID()}`
  const { publish, begin, close } = variant === 'exactly-once' ? transactional(groupId) : await atLeastOnce()
  const source = createKafkaSource({
    kafka: newKafka(),
    groupId,
    beforeRecords: begin,
    topic: given.input,
    sessionTimeoutMs: 30_000,
    drainTimeoutMs: 10_000,
    fetch: { maxBytesPerPartition: 1 << 20, maxWaitMs: 250 },
  })
  const credits = createCredits({ records: settings.credits, bytes: 32 << 20 })
  let copied = 0
  let began = 0
  let cpu = process.cpuUsage()
  const copying = source.open((assignment) => {
    const covered = new Map<number, Covered>()
    const commits = setInterval(() => {
      const due = [...covered.values()]
      covered.clear()
      if (variant !== 'exactly-once') void assignment.commit(due)
    }, 200)
    commits.unref()
    return assignment.records(credits).pipe(
      mergeMap(async (run) => {
        if (began === 0) {
          began = performance.now()
          cpu = process.cpuUsage()
        }
        await publish(run)
        credits.refund(run.records.length, run.bytes)
        covered.set(run.partition, run)
        return run.records.length
      }),
    )
  })
  const measured = await new Promise<Measured>((resolve, reject) => {
    copying.subscribe({
      error: reject,
      next: (count) => {
        copied += count
        if (copied < settings.records) return
        const seconds = (performance.now() - began) / 1_000
        const { user, system } = process.cpuUsage(cpu)
        const residentMb = Math.round(process.resourceUsage().maxRSS / 1024)
        resolve({ variant, records: copied, seconds, cpuSeconds: (user + system) / 1e6, residentMb })
      },
    })
  })
  await source.stop()
  await close()
  return measured
}

const fill = async (): Promise<void> => {
  const kafka = newKafka()
  const configEntries = [{ name: 'retention.ms', value: '3600000' }]
  const topics = [given.input, given.output].map((topic) => ({
    topic,
    numPartitions: settings.partitions,
    configEntries,
  }))
  await withAdmin(kafka, (admin) => admin.createTopics({ waitForLeaders: true, topics }))
  const topic = given.input
  const publisher = createPublisher({ kafka, topics: allTo(topic) })
  const bytes = randomBytes(1 << 16)
  const each = Math.ceil(settings.records / settings.partitions)
  for (let at = 0; at < each; at += 5_000) {
    const records = Array.from(
      { length: Math.min(5_000, each - at) },
      (_, index): OutgoingRecord => ({
        key: Buffer.from(String(at + index)),
        value: bytes.subarray((index * 7) % 65_000, ((index * 7) % 65_000) + 132),
        headers: undefined,
        timestamp: Date.now(),
      }),
    )
    const all = Array.from({ length: settings.partitions }, (_, partition) => partition)
    await publisher.publish(all.map((partition) => ({ kind: 'predictions', partition, records })))
  }
  await publisher.close()
}

const child = (variant: string): Promise<Measured> =>
  new Promise((resolve, reject) => {
    const flags = Object.entries({ ...given, copy: variant }).flatMap(([name, value]) => [`--${name}`, String(value)])
    const running = fork(fileURLToPath(import.meta.url), flags)
    running.once('message', (measured) => resolve(measured as Measured))
    running.once('exit', (code) => reject(new Error(`the ${variant} copier left with ${code}`)))
  })

const median = (numbers: readonly number[]) => [...numbers].sort((one, other) => one - other)[numbers.length >> 1] ?? 0

const compare = async (): Promise<void> => {
  await fill()
  const runs: Measured[] = []
  try {
    for (let round = 0; round < settings.rounds; round++) {
      for (const variant of given.variants.split(',')) {
        const measured = await child(variant)
        runs.push(measured)
        console.log(JSON.stringify(measured))
      }
    }
  } finally {
    const topics = [given.input, given.output]
    await withAdmin(newKafka(), (admin) => admin.deleteTopics({ topics }))
  }
  const rows = given.variants.split(',').map((variant) => {
    const mine = runs.filter((one) => one.variant === variant)
    return {
      variant,
      'records/s': Math.round(median(mine.map(({ records, seconds }) => records / seconds))),
      'CPU s per million': Number(
        median(mine.map(({ records, cpuSeconds }) => (cpuSeconds * 1e6) / records)).toFixed(2),
      ),
      'peak MB': Math.max(...mine.map(({ residentMb }) => residentMb)),
    }
  })
  console.table(rows)
}

if (given.copy === undefined) await compare()
else {
  const measured = await copy(given.copy)
  if (process.send) process.send(measured, () => process.disconnect())
  else console.log(JSON.stringify(measured))
}
