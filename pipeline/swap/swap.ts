/**
 * The model of a deployment in one worker: follows the control log, prepares what it names, makes it active, and says for every record
 * which generation scores it. All decisions come from the logs; what this worker knows alone is only which bundles it has ready.
 */
import type { Subject } from 'rxjs'
import type { FenceGate, Generation, ModelLoader, TopicPartition } from '../../stages/ports.js'
import type { Fence, ModelCommand } from '../messages.js'
import { type AssignmentChoice, createAssignmentChoice, type FencingChoice } from './assignment-choice.js'
import { createExecutor } from './carry-out.js'
import { createControlFold, preparedExpiresMs } from './control-fold.js'
import { createFences, type FenceEntry, type Tenure } from './fences.js'
import { followLog } from './log-follower.js'
import type { Log, WritableLog } from './logs.js'
import { createSuccession } from './succession.js'
import type { SwapEvent, SwapStatus } from './swap-status.js'
import { namesOf, wantedBy } from './wanted.js'

export type { AssignmentChoice } from './assignment-choice.js'
export type { ModelStatus, SwapEvent, SwapStatus } from './swap-status.js'

export interface SwapOptions {
  readonly deployment: string
  /** id of this worker */
  readonly worker: string
  /** name@version of what scores until the first command */
  readonly initial: string | undefined
  readonly control: Log<ModelCommand>
  readonly fences: WritableLog<FenceEntry>
  readonly loader: ModelLoader
  /** whether the previous model stays loaded, so that a rollback is instant */
  readonly keepPrevious: boolean
  readonly onEvent: (event: SwapEvent) => void
  /** The first offset that each of the partitions has, and the one after the last. Waits for the broker. */
  readonly inputEdges: (partitions: readonly TopicPartition[]) => Promise<readonly Edges[]>
  /** how many records of a partition an owner may have published without committing them: 0 where both are one transaction */
  readonly uncommittedRecords: number
  /** how long to wait before a bundle that others have is looked for again; 1,000 by default */
  readonly retryMs?: number
}

export interface Edges {
  readonly first: number
  readonly end: number
}

export interface Swap extends FenceGate {
  /** Resolves when the logs are read and the committed model is loaded, or none is named yet. Rejects when a log cannot be read. */
  start(): Promise<void>
  /**
   * Claims the partitions and reads their fences back: what has to be before the first record of an assignment is scored. Resolves when it is
   * done, or when the tenure ends.
   */
  takeOver(partitions: readonly TopicPartition[], tenure: Tenure): Promise<void>
  choiceFor(partitions: readonly TopicPartition[]): AssignmentChoice
  readonly status: SwapStatus
  /** what scores where no fence says otherwise */
  readonly active: Generation | undefined
  /** what the active generation took the place of, or is tried beside; undefined where nothing is known that is better */
  readonly wayBack: { readonly model: string; readonly digest: string } | undefined
  /** digests and name@version of bundles that score, may come to score again, or scored what may be read again */
  readonly inUse: ReadonlySet<string>
  /** Emits when the status may have changed. */
  readonly changes: Subject<void>
  /** Frees every model that has no lease; call it after the pipes have ended. */
  close(): Promise<void>
}

export function createSwap(options: SwapOptions): Swap {
  const { deployment, worker, onEvent, retryMs = 1_000 } = options
  const fold = createControlFold(options.initial)
  const choices = new Set<FencingChoice>()
  /** where the input ended when a partition was taken over */
  const ends = new Map<string, number>()
  let live = false

  const fences = createFences({
    deployment,
    worker,
    log: options.fences,
    retryMs,
    firstOffsets: async (partitions) => (await options.inputEdges(partitions)).map(({ first }) => first),
    onUnreadable: (reason) => onEvent({ type: 'ignored', code: 'command-invalid', reason: `fence: ${reason}` }),
    onFence: (fence, own) => {
      if (own)
        onEvent({ ...eventOf(fence), type: 'fenced', reason: `${fence.topic} ${fence.partition} from ${fence.offset}` })
      else if (live) succession.seenElsewhere(fence.generation)
    },
  })

  const succession = createSuccession({
    fold,
    loader: options.loader,
    keepPrevious: options.keepPrevious,
    retryMs,
    onEvent,
    onActive: (active) => {
      for (const choice of choices) choice.activated(active)
    },
    fenceOf: (generation) => fences.table.ofGeneration(generation),
  })
  const executor = createExecutor(succession, onEvent)

  const control = followLog(options.control, (item) => {
    if (item.type === 'unreadable') {
      if (live)
        onEvent({ type: 'failed', code: item.error.code, reason: `${item.error.message}, at offset ${item.offset}` })
      return
    }
    const id = item.value.id === '' ? `offset-${item.offset}` : item.value.id
    const command = { ...item.value, id }
    const outcome = fold.apply({ offset: item.offset, timestamp: item.timestamp, command })
    // Of what was said before this worker came only the end matters.
    if (live) executor.carryOut(outcome, command)
  })

  return {
    changes: succession.changes,
    async start() {
      await Promise.all([control.catchUp(), fences.catchUp()])
      live = true
      // One whose client has died long ago is nobody's concern; should it be committed all the same, it is loaded then.
      if (fold.prepared && Date.now() - fold.prepared.at < preparedExpiresMs) executor.prepare(fold.prepared)
      await succession.loadCommitted()
      if (!succession.active && !fold.current) succession.wait('no model is named yet: send a SWITCH, or set `model`')
    },
    async takeOver(partitions, tenure) {
      await fences.claim(partitions, tenure)
      if (tenure.signal.aborted) return
      const found = await options.inputEdges(partitions)
      partitions.forEach(({ topic, partition }, index) => {
        const { first, end } = found[index]!
        ends.set(`${topic}/${partition}`, end)
        // Of records that retention has taken nobody can ask any more.
        fences.remove(fences.table.obsolete(topic, partition, first))
      })
    },
    written: fences.written,
    choiceFor(partitions) {
      const choice = createAssignmentChoice({
        deployment,
        worker,
        partitions,
        fences,
        active: () => succession.active,
        owed: () => succession.owes,
        open: (fence) => succession.generations.open(wantedBy(fence, true), fence.command, fence.generation),
        nextChange: succession.nextChange,
        onWaiting: succession.wait,
        endOf: (topic, partition) => ends.get(`${topic}/${partition}`) ?? 0,
        uncommittedRecords: options.uncommittedRecords,
        retryMs,
      })
      choices.add(choice)
      const close = () => {
        choices.delete(choice)
        choice.close()
      }
      return { ...choice, close }
    },
    get active() {
      return succession.active?.generation
    },
    get wayBack() {
      return succession.wayBack
    },
    get inUse() {
      const named = [
        ...fold.plans.slice(-recentPlans),
        ...(fold.prepared ? [fold.prepared] : []),
        ...fences.table.all(),
      ]
      return new Set([...succession.generations.names, ...named.flatMap(namesOf)])
    },
    get status() {
      return succession.status
    },
    async close() {
      control.close()
      fences.close()
      executor.close()
      await succession.close()
    },
  }
}

/** A rollback goes back to one of these. */
const recentPlans = 8

const eventOf = ({ model, digest, generation, command }: Fence) => ({ model, digest, generation, command })
