/** Which generation scores the records of one assignment, and the fences that this sets. */
import { lineOf } from '../../stages/errors.js'
import type { Choice, Fetched, Generation, ModelChoice, TopicPartition } from '../../stages/ports.js'
import { createBackoff } from '../backoff.js'
import type { Fence } from '../messages.js'
import type { Fences } from './fences.js'
import type { LiveGeneration } from './live-generation.js'
import type { ActiveGeneration } from './succession.js'

export interface AssignmentChoiceOptions {
  readonly deployment: string
  readonly worker: string
  readonly partitions: readonly TopicPartition[]
  readonly fences: Fences
  readonly active: () => ActiveGeneration | undefined
  /** whether the group has agreed on a generation that is not here yet */
  readonly owed: () => boolean
  /** where the input of a partition ended when it was taken over */
  readonly endOf: (topic: string, partition: number) => number
  /** how many records an owner may have published without committing them */
  readonly uncommittedRecords: number
  /** Begins to load the generation of a fence. */
  readonly open: (fence: Fence) => LiveGeneration
  /** Resolves when a generation may have become active. */
  readonly nextChange: () => Promise<void>
  readonly onWaiting: (reason: string | undefined) => void
  readonly retryMs: number
}

/** The choice of one assignment: `close` it with its pipe. */
export interface AssignmentChoice extends ModelChoice {
  /** Tells what is about to be asked for. */
  arrived(run: Fetched): void
  close(): void
}

export interface FencingChoice extends AssignmentChoice {
  /**
   * Sets the fences of a generation that has just become active, at the records that come next: all of them in one request to the log, which
   * is under way while those records are still to come and to be scored.
   */
  activated(active: ActiveGeneration): void
}

/**
 * The answer comes from the fences. Past the last one, where no fence says otherwise yet, the active generation begins: that sets the next
 * fence, at the very record that is asked for, if `activated` has not set it before. Except among the first records after an assignment: an owner before this one may have
 * published those and not have come to commit them, so the generation of the last fence goes on to where that is not possible. Between fences, where records are read again, older generations are loaded as they are needed
 * and let go when the partition has passed them.
 */
export function createAssignmentChoice(options: AssignmentChoiceOptions): FencingChoice {
  const { fences, partitions } = options
  const { table } = fences
  /** generations that are not the active one, by number and digest, and the partitions that are reading through them */
  const older = new Map<string, { readonly live: LiveGeneration; readonly readers: Set<string> }>()
  /** of each partition: how many of the first records are still to come, and where those end that came */
  const first = new Map<string, { left: number; end: number }>()
  /** the offset after the last record that came, by partition */
  const positions = new Map<string, number>()
  const backoff = createBackoff(options.retryMs, 10 * options.retryMs)
  const closing = new AbortController()

  /** From here on nobody has published anything. */
  const newFrom = (topic: string, partition: number): number => {
    const { left, end } = first.get(`${topic}/${partition}`) ?? { left: options.uncommittedRecords, end: 0 }
    const inputEnd = options.endOf(topic, partition)
    return left > 0 ? inputEnd : Math.min(end, inputEnd)
  }

  const leave = (reader: string, except?: string) => {
    for (const [key, { live, readers }] of older) {
      if (key === except || !readers.delete(reader) || readers.size > 0) continue
      older.delete(key)
      live.retire()
    }
  }

  const begin = (topic: string, partition: number, offset: number, { plan, generation }: ActiveGeneration): Choice => {
    fences.set({
      deployment: options.deployment,
      topic,
      partition,
      generation: plan.number,
      offset,
      model: generation.model,
      digest: generation.digest,
      mode: plan.mode,
      candidate: plan.candidate,
      candidateDigest: candidateDigestOf(generation),
      percent: plan.percent,
      command: plan.command,
      worker: options.worker,
      at: Date.now(),
    })
    leave(`${topic}/${partition}`)
    return { generation, until: Number.POSITIVE_INFINITY }
  }

  const choose = (topic: string, partition: number, offset: number): Choice | Promise<Choice> => {
    const active = options.active()
    const { fence, next } = table.at(topic, partition, offset)
    if (!next && options.owed() && offset >= newFrom(topic, partition))
      return later(options.nextChange(), topic, partition, offset)
    if (fence && active && !next && isOf(active, fence))
      return { generation: active.generation, until: Number.POSITIVE_INFINITY }
    if (!fence && next) {
      // The group was set back before the first fence: that generation is all that is known of those records.
      fences.set({ ...next, offset, worker: options.worker })
      return choose(topic, partition, offset)
    }
    if (!next && active && (!fence || fence.generation < active.plan.number)) {
      const free = newFrom(topic, partition)
      if (!fence || offset >= free) return begin(topic, partition, offset, active)
      return readAgain(fence, free, active, topic, partition, offset)
    }
    if (!fence) return later(options.nextChange(), topic, partition, offset)
    return readAgain(fence, next?.offset ?? Number.POSITIVE_INFINITY, active, topic, partition, offset)
  }

  const readAgain = (
    fence: Fence,
    until: number,
    active: ActiveGeneration | undefined,
    topic: string,
    partition: number,
    offset: number,
  ): Choice | Promise<Choice> => {
    const reader = `${topic}/${partition}`
    if (active && isOf(active, fence)) {
      leave(reader)
      return { generation: active.generation, until }
    }
    const key = `${fence.generation}/${fence.digest}/${fence.candidateDigest}`
    leave(reader, key)
    const held = older.get(key) ?? { live: options.open(fence), readers: new Set<string>() }
    older.set(key, held)
    held.readers.add(reader)
    if (held.live.generation) return { generation: held.live.generation, until }
    const ready = held.live.prepared.then(
      () => {
        if (!held.live.generation) held.live.activate(fence.generation)
        backoff.reset()
        options.onWaiting(undefined)
      },
      async (error) => {
        older.delete(key)
        options.onWaiting(`${reader} at ${offset} needs ${fence.model}: ${lineOf(error)}`)
        await backoff.wait(closing.signal)
      },
    )
    return later(ready, topic, partition, offset)
  }

  const later = async (event: Promise<void>, topic: string, partition: number, offset: number): Promise<Choice> => {
    await event
    // Nobody listens any more, and nothing must be loaded for it.
    if (closing.signal.aborted) return new Promise(() => undefined)
    return choose(topic, partition, offset)
  }

  return {
    choose,
    arrived({ topic, partition, records, next }) {
      const key = `${topic}/${partition}`
      positions.set(key, next)
      const so = first.get(key) ?? { left: options.uncommittedRecords, end: 0 }
      if (so.left <= 0) return
      first.set(key, { left: so.left - records.length, end: next })
    },
    activated(active) {
      for (const { topic, partition } of partitions) {
        const offset = positions.get(`${topic}/${partition}`)
        if (offset === undefined) continue
        const { fence, next } = table.at(topic, partition, offset)
        const isBehind = fence && !next && fence.generation < active.plan.number
        if (isBehind && offset >= newFrom(topic, partition)) begin(topic, partition, offset, active)
      }
    },
    close() {
      closing.abort()
      for (const { live } of older.values()) live.retire()
      older.clear()
      fences.disown(partitions)
    },
  }
}

const candidateDigestOf = ({ canary, shadow }: Generation): string | null =>
  (canary?.generation ?? shadow)?.digest ?? null

/** Whether the fence means this very generation: the same number with other bundles is another worker's reading of a name. */
const isOf = ({ plan, generation }: ActiveGeneration, fence: Fence): boolean =>
  fence.generation === plan.number &&
  fence.digest === generation.digest &&
  fence.candidateDigest === candidateDigestOf(generation)
