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

export interface Verdict {
  readonly report: VerifyReport
  /** what is not as it must be; empty when all is well */
  readonly wrong: readonly string[]
}

export async function judge(world: World, delivery: Delivery, acknowledged: number): Promise<Verdict> {
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
      const found = await openPartitionLogs(kafka, codec, topics, range, signal)
      yield { ...found, predictions: watched(found.predictions) }
    }
  }
  try {
    const report = await verifyPredictions(logs(), { recomputer, tolerance: 0 })
    const wrong = [
      // The generator may have sent twice what was never acknowledged, never less.
      ...(report.records < acknowledged ? [`${acknowledged - report.records} records of the input are gone`] : []),
      ...(report.missing > 0 ? [`${report.missing} missing`] : []),
      ...(report.unequal > 0 ? [`${report.unequal} differ: ${JSON.stringify(report.differences[0])}`] : []),
      // All that the generator sends is sound.
      ...(report.elsewhere > 0 ? [`${report.elsewhere} dead letters`] : []),
      ...(delivery === 'exactly-once' && report.duplicates > 0 ? [`${report.duplicates} duplicates`] : []),
      ...(delivery === 'exactly-once' && stale > 0 ? [`${stale} repeated or out of order`] : []),
    ]
    return { report, wrong }
  } finally {
    await recomputer.close()
    registry.close()
  }
}
