/** Whether everything that went in came out as it must: read later, from the beginning, by a reader of committed records. */
import { createMessageCodec } from '../../pipeline/avro/message-codec.js'
import { createRecordDecoder } from '../../pipeline/avro/record-decoder.js'
import { createRegistry } from '../../pipeline/avro/registry.js'
import { groupStatus } from '../../pipeline/kafka/group-status.js'
import { readTopic } from '../../pipeline/kafka/topic-reader.js'
import type { Prediction } from '../../pipeline/messages.js'
import { createModelLoader } from '../../pipeline/model/loader.js'
import { openStore } from '../../pipeline/model/store.js'
import { createFenceTable } from '../../pipeline/swap/fence-table.js'
import { openPartitionLogs } from '../../pipeline/verify/partition-logs.js'
import { createRecomputer } from '../../pipeline/verify/recompute.js'
import { type VerifyReport, verifyPredictions } from '../../pipeline/verify/verify.js'
import type { Delivery, World } from './world.js'

export interface Findings {
  readonly report: VerifyReport
  /** records that the broker has acknowledged to the generator */
  readonly acknowledged: number
  /** all that is sent is sound, so there must be none */
  readonly deadLetters: number
  /** predictions of what is no record of their partition of the input */
  readonly foreign: number
  /** predictions that were repeated or out of order, for the reader that came later */
  readonly stale: number
  /** the same for the one that read beside, and those of an older generation than one before them */
  readonly beside: { readonly stale: number; readonly backwards: number }
}

/** What is not as it must be; empty when all is well. */
export function verdictOf(delivery: Delivery, findings: Findings): string[] {
  const { report, acknowledged, deadLetters, foreign, stale, beside } = findings
  const all: readonly (readonly [number, string])[] = [
    // The generator may have sent twice what was never acknowledged, never less.
    [acknowledged - report.records, 'records of the input are gone'],
    [report.missing, 'missing'],
    [report.unequal, `differ: ${JSON.stringify(report.differences[0])}`],
    [deadLetters, 'dead letters'],
    [foreign, 'predictions of records that are not there'],
  ]
  const once: readonly (readonly [number, string])[] = [
    [report.duplicates, 'duplicates'],
    [stale, 'repeated or out of order'],
    [beside.stale, 'were seen repeated or out of order while it ran'],
    [beside.backwards, 'were seen of an older generation than one before them'],
  ]
  return [...all, ...(delivery === 'exactly-once' ? once : [])].flatMap(([count, what]) =>
    count > 0 ? [`${count} ${what}`] : [],
  )
}

/** Reads everything again, from the beginning, and recomputes it. `beside`: what the reader has seen that read while it ran. */
export async function judge(world: World, acknowledged: number, beside: Findings['beside']): Promise<Findings> {
  const { kafka, topics } = world
  const { signal } = new AbortController()
  const registry = createRegistry({ url: world.registry })
  const codec = createMessageCodec(registry)
  const table = createFenceTable()
  for await (const { records } of readTopic(kafka, topics.fences, { from: 'beginning', follow: false }))
    for (const { value } of records) if (value) table.apply(await codec.decodeFence(value))
  const loader = createModelLoader({ store: openStore(world.store) })
  const recomputer = createRecomputer(table, loader, createRecordDecoder({ registry, echo: [] }))
  const { partitions } = await groupStatus(kafka, world.deployment, topics.input)
  let stale = 0
  let foreign = 0
  let deadLetters = 0
  /** Counts what is not of an offset beyond all before it: repeated, or out of order. */
  const watched = async function* (predictions: AsyncIterator<Prediction>) {
    let last = -1
    for (let next = await predictions.next(); !next.done; next = await predictions.next()) {
      if (next.value.offset <= last) stale++
      else last = next.value.offset
      yield next.value
    }
  }
  const logs = async function* () {
    for (const { partition, first, end } of partitions) {
      const range = { partition, from: first, to: end }
      const found = await openPartitionLogs(kafka, codec, topics, range, signal, () => foreign++)
      deadLetters += found.elsewhere.size
      yield { ...found, predictions: watched(found.predictions) }
    }
  }
  try {
    const report = await verifyPredictions(logs(), { recomputer, tolerance: 0 })
    return { report, acknowledged, deadLetters, foreign, stale, beside }
  } finally {
    await recomputer.close()
    registry.close()
  }
}
