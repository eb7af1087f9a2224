/** Records from one topic to another, at least once, through source and publisher and with no model between. */
import { randomUUID } from 'node:crypto'
import { mergeMap } from 'rxjs'
import { createKafka } from '../../../pipeline/kafka/client.js'
import { closeInternals } from '../../../pipeline/kafka/internals.js'
import { createPublisher } from '../../../pipeline/kafka/publisher.js'
import { createKafkaSource } from '../../../pipeline/kafka/source.js'
import { createCredits } from '../../../stages/credits.js'
import type { Covered } from '../../../stages/ports.js'

/** `ours` has the codecs and the fetch loop of this repository, `kafkajs` is kafkajs through its public interface. */
export type Variant = 'ours' | 'kafkajs'

export interface CopyJob {
  readonly variant: Variant
  readonly brokers: string
  readonly input: string
  readonly output: string
  readonly records: number
}

export interface Copied {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly residentMb: number
}

/** Copies all of the input; the clock runs from the first record to the last acknowledgement. `kafkajs` once in a process, and alone. */
export const copyTopic = async ({ variant, brokers, input, output, records }: CopyJob): Promise<Copied> => {
  if (variant === 'kafkajs') closeInternals()
  const kafka = () => createKafka({ brokers: brokers.split(','), clientId: 'copier' })
  const publisher = createPublisher({ kafka: kafka(), topics: { predictions: output } })
  await publisher.connect()
  const source = createKafkaSource({
    kafka: kafka(),
    groupId: `copier-${randomUUID()}`,
    topic: input,
    sessionTimeoutMs: 30_000,
    drainTimeoutMs: 10_000,
    fetch: { maxBytesPerPartition: 1 << 20, maxWaitMs: 250 },
  })
  const credits = createCredits({ records: 16_384, bytes: 32 << 20 })
  let copied = 0
  let began = 0
  let cpu = process.cpuUsage()
  const copying = source.open((assignment) => {
    const covered = new Map<number, Covered>()
    const commits = setInterval(() => {
      const due = [...covered.values()]
      covered.clear()
      void assignment.commit(due)
    }, 200)
    commits.unref()
    return assignment.records(credits).pipe(
      mergeMap(async (run) => {
        if (began === 0) {
          began = performance.now()
          cpu = process.cpuUsage()
        }
        await publisher.publish([{ kind: 'predictions', partition: run.partition, records: run.records }])
        credits.refund(run.records.length, run.bytes)
        covered.set(run.partition, run)
        return run.records.length
      }),
    )
  })
  const result = await new Promise<Copied>((resolve, reject) => {
    copying.subscribe({
      error: reject,
      next: (count) => {
        copied += count
        if (copied < records) return
        const seconds = (performance.now() - began) / 1_000
        const { user, system } = process.cpuUsage(cpu)
        const residentMb = Math.round(process.resourceUsage().maxRSS / 1_024)
        resolve({ seconds, cpuSeconds: (user + system) / 1e6, residentMb })
      },
    })
  })
  await source.stop()
  await publisher.close()
  return result
}
