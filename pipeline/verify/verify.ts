/**
 * The audit: which model said this, and would it say it again? Reads inputs, fences and bundles, recomputes the predictions of an offset range
 * and compares them with those that were published. Also finds what is missing and what is there twice.
 */

import type { SourceRecord } from '../../stages/ports.js'
import type { Prediction } from '../messages.js'
import { differenceOf } from './difference.js'
import { createPredictionWindow } from './prediction-window.js'
import type { BundleName, Recomputed, Recomputer } from './recompute.js'

export interface PartitionLogs {
  readonly topic: string
  readonly partition: number
  /** Records of the input in `[from, to)`, in order. */
  readonly input: AsyncIterable<readonly SourceRecord[]>
  /** What was predicted of this partition, in the order of the predictions topic. */
  readonly predictions: AsyncIterator<Prediction>
  /** offsets that ended on the dead-letter topic or on the late topic */
  readonly elsewhere: ReadonlySet<number>
}

export interface Difference {
  readonly partition: number
  readonly offset: number
  /** missing, model, generation, value, unexpected, order */
  readonly kind: string
  readonly detail: string
}

export interface VerifyReport {
  readonly records: number
  /** records whose prediction is what was recomputed */
  readonly equal: number
  /** records that are dead letters or late, as they should be */
  readonly elsewhere: number
  readonly missing: number
  /** predictions beyond the first of a record */
  readonly duplicates: number
  /** records whose prediction is not what the logs say it must be */
  readonly unequal: number
  /** generations that scored, ascending */
  readonly generations: readonly number[]
  /** the first ones of each partition, at most a few */
  readonly differences: readonly Difference[]
}

export interface VerifyOptions {
  readonly recomputer: Recomputer
  /** name@version of the fallback of the deadline: what it has answered is what it has to say */
  readonly fallback?: string
  /** 0: to the last bit */
  readonly tolerance: number
  /** Called after each run of records. */
  readonly onProgress?: (records: number) => void
}

const keptDifferences = 10

/** Verifies partitions one after the other. Memory is bounded by one run of records and by how far two readings of the same records lie apart. */
export async function verifyPredictions(
  partitions: Iterable<PartitionLogs> | AsyncIterable<PartitionLogs>,
  { recomputer, fallback, tolerance, onProgress }: VerifyOptions,
): Promise<VerifyReport> {
  const isFallback = ({ model }: Prediction) => fallback !== undefined && model === fallback
  const generations = new Set<number>()
  const differences: Difference[] = []
  let [records, equal, elsewhere, missing, duplicates, unequal] = [0, 0, 0, 0, 0, 0]
  const differ = (difference: Difference) => {
    if (differences.length < keptDifferences) differences.push(difference)
  }

  for await (const logs of partitions) {
    const { topic, partition } = logs
    const window = createPredictionWindow(logs.predictions)
    let lastGeneration = 0

    const judge = (offset: number, one: Recomputed | undefined, stoodIn: Recomputed | undefined) => {
      const [said, ...again] = window.take(offset)
      duplicates += again.length
      const isElsewhere = logs.elsewhere.has(offset)
      if (!said) {
        if (isElsewhere) elsewhere++
        else {
          missing++
          differ({ partition, offset, kind: 'missing', detail: 'no prediction, no dead letter, not late' })
        }
        return
      }
      generations.add(said.generation)
      const found = [said, ...again]
        .map((prediction) => wrongWith(prediction, isFallback(prediction) ? stoodIn : one, tolerance))
        .find(Boolean)
      const wrong =
        found ??
        (said.generation < lastGeneration
          ? { kind: 'order', detail: `generation ${said.generation} after ${lastGeneration}` }
          : undefined)
      if (!wrong) {
        equal++
        lastGeneration = said.generation
      } else {
        unequal++
        differ({ partition, offset, ...wrong })
      }
    }

    for await (const run of logs.input) {
      if (run.length === 0) continue
      await window.readUntil(run[run.length - 1]!.offset)
      // Of what nobody has predicted there is nothing to compare.
      const predictedBy = (who: (said: Prediction) => boolean) =>
        run.filter(({ offset }) => window.said(offset).some(who))
      const recomputed = async (some: readonly SourceRecord[], by?: BundleName) => {
        const all = some.length > 0 ? await recomputer.recompute(topic, partition, some, by) : []
        return new Map(all.map((one) => [one.offset, one]))
      }
      const byModel = await recomputed(predictedBy((said) => !isFallback(said)))
      const stoodIn = predictedBy(isFallback)
      const digest = stoodIn[0] && window.said(stoodIn[0].offset).find(isFallback)?.digest
      const byFallback = await recomputed(stoodIn, digest === undefined ? undefined : { ref: fallback!, digest })
      for (const { offset } of run) judge(offset, byModel.get(offset), byFallback.get(offset))
      duplicates += window.takeBehind(run[run.length - 1]!.offset + 1).length
      records += run.length
      onProgress?.(run.length)
    }
    // What was read again after the last record that is looked at.
    await window.readUntil(Number.POSITIVE_INFINITY)
    duplicates += window.takeBehind(Number.POSITIVE_INFINITY).length
  }
  const sorted = [...generations].sort((one, other) => one - other)
  return { records, equal, elsewhere, missing, duplicates, unequal, generations: sorted, differences }
}

function wrongWith(
  said: Prediction,
  { fence, model, digest, result }: Partial<Recomputed> = {},
  tolerance: number,
): { readonly kind: string; readonly detail: string } | undefined {
  if (!fence || !result) return { kind: 'model', detail: `${said.model} scored it, and no fence says so` }
  if (said.generation !== fence.generation)
    return { kind: 'generation', detail: `generation ${said.generation}, the fences say ${fence.generation}` }
  if (said.digest !== digest || said.model !== model)
    return { kind: 'model', detail: `${said.model} (${said.digest}), the fences say ${model} (${digest})` }
  if ('code' in result) return { kind: 'unexpected', detail: `a prediction of a record that is ${result.code}` }
  const detail = differenceOf(said, result.outputs, result.row, tolerance)
  return detail === undefined ? undefined : { kind: 'value', detail }
}
