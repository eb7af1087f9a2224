/** What comes of a shadow: pairs on `D.shadow`, and counters. Beside the stream: when the topic is away or slow, pairs are given up. */
import type { OutgoingRecord, Publisher, ShadowComparison } from '../stages/ports.js'
import type { Shadow } from './messages.js'

export interface ShadowStats {
  readonly candidate: string
  readonly compared: number
  readonly agreed: number
  /** records that the candidate could not score and the active model could */
  readonly failed: number
  /** records that were not compared: the candidate or the topic could not keep up */
  readonly skipped: number
  /** mean of the distances that there are */
  readonly meanDistance: number | null
  readonly maxDistance: number | null
}

export interface ShadowReport {
  onCompared(comparison: ShadowComparison): void
  onSkipped(records: number): void
  /** of the shadow under way, or the last one */
  readonly stats: ShadowStats | undefined
}

/** Pairs that may wait for the broker. */
const maxWaiting = 10_000

export function createShadowReport(publisher: Publisher, encode: (pair: Shadow) => Buffer): ShadowReport {
  let waiting = 0
  let about: { readonly digest: string; readonly candidate: string } | undefined
  let [compared, agreed, failed, skipped, distances, distanceSum, maxDistance] = [0, 0, 0, 0, 0, 0, 0]

  const begin = (candidate: string, digest: string) => {
    about = { candidate, digest }
    compared = agreed = failed = skipped = distances = distanceSum = maxDistance = 0
  }

  const publish = async (comparison: ShadowComparison) => {
    const { pairs } = comparison
    if (waiting + pairs.length > maxWaiting) {
      skipped += pairs.length
      return
    }
    waiting += pairs.length
    const partitions = byPartition(recordsOf(comparison, encode))
    const outgoing = [...partitions].map(([partition, records]) => ({ kind: 'shadow' as const, partition, records }))
    await publisher.publish(outgoing).catch(() => undefined)
    waiting -= pairs.length
  }

  return {
    onCompared(comparison) {
      const { candidate, pairs } = comparison
      if (about?.digest !== candidate.digest) begin(candidate.model, candidate.digest)
      failed += comparison.failed
      compared += pairs.length
      for (const { agree, distance } of pairs) {
        if (agree) agreed++
        if (Number.isNaN(distance)) continue
        distances++
        distanceSum += distance
        maxDistance = Math.max(maxDistance, distance)
      }
      void publish(comparison)
    },
    onSkipped(records) {
      skipped += records
    },
    get stats() {
      if (!about) return undefined
      const mean = distances > 0 ? distanceSum / distances : null
      const max = distances > 0 ? maxDistance : null
      return { candidate: about.candidate, compared, agreed, failed, skipped, meanDistance: mean, maxDistance: max }
    },
  }
}

function recordsOf(
  { topic, active, candidate, pairs }: ShadowComparison,
  encode: (pair: Shadow) => Buffer,
): (OutgoingRecord & { readonly partition: number })[] {
  const at = Date.now()
  const common = { topic, generation: active.number, model: active.model, digest: active.digest, at }
  const second = { candidate: candidate.model, candidateDigest: candidate.digest }
  return pairs.map(({ partition, offset, label, candidateLabel, agree, distance }) => {
    const known = Number.isNaN(distance) ? null : distance
    const pair: Shadow = { ...common, ...second, partition, offset, label, candidateLabel, agree, distance: known }
    return { partition, key: null, value: encode(pair), headers: undefined, timestamp: at }
  })
}

function byPartition<T extends { readonly partition: number }>(records: readonly T[]): Map<number, T[]> {
  const partitions = new Map<number, T[]>()
  for (const record of records) {
    const own = partitions.get(record.partition)
    if (own) own.push(record)
    else partitions.set(record.partition, [record])
  }
  return partitions
}
