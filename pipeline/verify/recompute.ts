/** What the logs say of records: which model by the fences, and what that model says. */
import { armOf } from '../../stages/canary.js'
import type {
  Generation,
  LoadedModel,
  ModelLoader,
  Outputs,
  RecordDecoder,
  Rejected,
  SourceRecord,
} from '../../stages/ports.js'
import type { Fence } from '../messages.js'
import type { FenceTable } from '../swap/fence-table.js'

/** What should have become of a record. */
export interface Recomputed {
  readonly offset: number
  readonly fence: Fence | undefined
  /** which of the fence's models */
  readonly model: string | undefined
  readonly digest: string | undefined
  readonly result: { readonly outputs: Outputs; readonly row: number } | Rejected | undefined
}

export interface BundleName {
  /** name@version */
  readonly ref: string
  readonly digest: string
}

export interface Recomputer {
  /**
   * In the order of the records, which are of one partition. `by`: the bundle that answered in the place of the one that the fences name.
   * Rejects when a bundle cannot be loaded.
   */
  recompute(topic: string, partition: number, records: readonly SourceRecord[], by?: BundleName): Promise<Recomputed[]>
  close(): Promise<void>
}

/** Models that stay loaded: a switch goes between two, a canary too. */
const keptModels = 4

export function createRecomputer(table: FenceTable, loader: ModelLoader, decoder: RecordDecoder): Recomputer {
  const models = new Map<string, LoadedModel>()

  const load = async (ref: string, digest: string): Promise<LoadedModel> => {
    const there = models.get(digest)
    models.delete(digest)
    const model = there ?? (await loader.load(ref, digest))
    models.set(digest, model)
    if (models.size > keptModels) {
      const [oldest, dropped] = models.entries().next().value as [string, LoadedModel]
      models.delete(oldest)
      await dropped.scorer.close()
    }
    return model
  }

  /** The records of one model, scored together. */
  const score = async (
    fence: Fence,
    { ref, digest }: BundleName,
    records: readonly SourceRecord[],
  ): Promise<Recomputed[]> => {
    const model = await load(ref, digest)
    const { rows, rejected } = await decoder.decode(records, model.plan)
    const outputs = rows.count > 0 ? await model.scorer.score(rows) : undefined
    let row = 0
    return records.map(({ offset }, index) => {
      const result = rejected.get(index) ?? { outputs: outputs as Outputs, row: row++ }
      return { offset, fence, model: ref, digest, result }
    })
  }

  return {
    async recompute(topic, partition, records, by) {
      const all = new Map<number, Recomputed>()
      const groups = new Map<string, { fence: Fence; arm: BundleName; records: SourceRecord[] }>()
      for (const record of records) {
        const { offset } = record
        const { fence } = table.at(topic, partition, offset)
        if (!fence) {
          all.set(offset, { offset, fence, model: undefined, digest: undefined, result: undefined })
          continue
        }
        const arm = by ?? armBy(fence, partition, record)
        const key = `${fence.generation}/${arm.digest}`
        const group = groups.get(key) ?? { fence, arm, records: [] }
        groups.set(key, group)
        group.records.push(record)
      }
      for (const { fence, arm, records: own } of groups.values())
        for (const one of await score(fence, arm, own)) all.set(one.offset, one)
      return records.map(({ offset }) => all.get(offset)!)
    },
    async close() {
      await Promise.all([...models.values()].map((model) => model.scorer.close()))
      models.clear()
    },
  }
}

function armBy(fence: Fence, partition: number, record: SourceRecord): BundleName {
  const stable = { ref: fence.model, digest: fence.digest }
  if (fence.mode !== 'CANARY' || fence.candidate === null || fence.candidateDigest === null) return stable
  const named = { number: fence.generation } as Generation
  const candidate = { ...named }
  const canary = { generation: candidate, percent: fence.percent ?? 0 }
  const isCandidate = armOf({ ...named, canary }, partition, record) === candidate
  return isCandidate ? { ref: fence.candidate, digest: fence.candidateDigest } : stable
}
