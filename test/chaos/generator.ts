/** Known content at a steady rate, looped. What the broker has acknowledged is what has to be scored. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { frame } from '../../pipeline/avro/framing.js'
import { createRecordEncoder } from '../../pipeline/avro/record-encoder.js'
import { createRegistry } from '../../pipeline/avro/registry.js'
import { createPublisher } from '../../pipeline/kafka/publisher.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import type { World } from './world.js'

export interface Generator {
  /** records that the broker has */
  readonly acknowledged: number
  /** Ends; resolves when all that was sent is acknowledged. */
  end(): Promise<void>
}

export interface Content {
  readonly schema: unknown
  readonly records: readonly { readonly key: string; readonly record: unknown }[]
}

/** The held-out scans, keyed by scan. */
const scans = (): Content => ({
  schema: JSON.parse(readFileSync('models/data/digits.avsc', 'utf8')),
  records: readFileSync('models/data/digits.jsonl', 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map((record) => ({ key: record.id, record })),
})

const everyMs = 10
/** sent and not acknowledged: while the broker is away it waits */
const mostOut = 20_000

export async function startGenerator(
  world: Pick<World, 'registry' | 'topics' | 'kafka' | 'partitions'>,
  recordsPerSecond: number,
  { schema, records }: Content = scans(),
): Promise<Generator> {
  const encoder = createRecordEncoder(schema)
  const registry = createRegistry({ url: world.registry })
  const schemaId = await registry.register(`${world.topics.input}-value`, schema)
  registry.close()
  const values = records.map(({ key, record }) => ({
    key: Buffer.from(key),
    value: frame(schemaId, encoder.encode(record)),
  }))
  const publisher = createPublisher({ kafka: world.kafka, topics: { predictions: world.topics.input } })
  const ending = new AbortController()
  const out = new Set<Promise<void>>()
  let [sent, acknowledged] = [0, 0]

  const send = (count: number) => {
    const byPartition = Array.from({ length: world.partitions }, (): OutgoingRecord[] => [])
    for (let i = 0; i < count; i++, sent++) {
      const { key, value } = values[sent % values.length]!
      byPartition[sent % world.partitions]!.push({ key, value, headers: undefined, timestamp: Date.now() })
    }
    const outgoing = byPartition.map((all, partition) => ({ kind: 'predictions' as const, partition, records: all }))
    const published = publisher.publish(outgoing).then(() => {
      acknowledged += count
      out.delete(published)
    })
    out.add(published)
  }

  const run = async () => {
    const began = performance.now()
    let paused = 0
    while (!ending.signal.aborted) {
      const due = Math.floor(((performance.now() - began - paused) / 1000) * recordsPerSecond)
      if (sent - acknowledged > mostOut) {
        const since = performance.now()
        await sleep(everyMs)
        paused += performance.now() - since
      } else if (due > sent) send(Math.min(due - sent, Math.ceil(recordsPerSecond / 10)))
      await sleep(everyMs)
    }
    await Promise.all(out)
    await publisher.close()
  }
  const running = run()
  return {
    get acknowledged() {
      return acknowledged
    },
    async end() {
      ending.abort()
      await running
    },
  }
}
