/**
 * The model of a deployment in one worker: follows the control log, prepares what it names, makes it active, and says for every record
 * which generation scores it. All decisions come from the logs; what this worker knows alone is only which bundles it has ready.
 */
import { Subject } from 'rxjs'
import { lineOf } from '../../stages/errors.js'
import type { FenceGate, Fetched, Generation, ModelChoice, ModelLoader, TopicPartition } from '../../stages/ports.js'
import { type Backoff, createBackoff } from '../backoff.js'
import type { Fence, ModelCommand, ModelEvent } from '../messages.js'
import { createAssignmentChoice, type FencingChoice } from './assignment-choice.js'
import {
  createControlFold,
  type GenerationPlan,
  guardedGeneration,
  type Outcome,
  type Prepared,
  preparedExpiresMs,
} from './control-fold.js'
import { createFences, type FenceEntry, type Tenure } from './fences.js'
import { type LiveGeneration, openGeneration, type Wanted } from './live-generation.js'
import { followLog } from './log-follower.js'
import type { Log, WritableLog } from './logs.js'
import { createModelPool, type PooledModel } from './model-pool.js'
import { besideOf, describe, type SwapStatus, statusOf } from './swap-status.js'
import { namesOf, wantedBy } from './wanted.js'

export type { ModelStatus, SwapStatus } from './swap-status.js'

export type SwapEvent = Partial<ModelEvent> & Pick<ModelEvent, 'type'>

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

/** The choice of one assignment: `close` it with its pipe. */
export interface AssignmentChoice extends ModelChoice {
  /** Tells what is about to be asked for. */
  arrived(run: Fetched): void
  close(): void
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

export interface ActiveGeneration {
  readonly live: LiveGeneration
  readonly plan: GenerationPlan
  readonly generation: Generation
}

export function createSwap(options: SwapOptions): Swap {
  const { onEvent, retryMs = 1_000 } = options
  const fold = createControlFold(options.initial)
  const pool = createModelPool(options.loader)
  const changes = new Subject<void>()
  const lives = new Set<LiveGeneration>()
  const choices = new Set<FencingChoice>()
  /** generations that are to be tried again, and how patiently */
  const retrying = new Set<number>()
  const backoffs = new Map<number, Backoff>()
  const closing = new AbortController()
  /** where the input ended when a partition was taken over */
  const ends = new Map<string, number>()
  let active: ActiveGeneration | undefined
  let previous: PooledModel | undefined
  let prepared: { readonly command: string; readonly live: LiveGeneration } | undefined
  /** what the group has agreed on and this worker cannot load: it must not go on with another in the meantime */
  let owed: GenerationPlan | undefined
  let waiting: string | undefined
  let wayBack: Swap['wayBack']
  let live = false
  let closed = false

  const changed = () => changes.next()
  const wait = (reason: string | undefined) => {
    waiting = reason
    changed()
  }

  const open = (wanted: Wanted, command: string | null, number: number | null) => {
    const { model, digest } = wanted
    const opened = openGeneration(wanted, {
      pool,
      onState: (one, state, error) => {
        if (state === 'released' || state === 'failed') lives.delete(one)
        else lives.add(one)
        // What is called off because the worker ends has not failed.
        if (closed && state === 'failed') return
        onEvent({
          type: state === 'ready' ? 'prepared' : state === 'active' ? 'activated' : state,
          command,
          model,
          digest: one.generation?.digest ?? one.digest ?? digest,
          generation: one.generation?.number ?? number,
          code: error?.code ?? null,
          reason: error?.message ?? describe(one),
        })
        changed()
      },
    })
    return opened
  }

  const fences = createFences({
    deployment: options.deployment,
    worker: options.worker,
    log: options.fences,
    retryMs,
    firstOffsets: async (partitions) => (await options.inputEdges(partitions)).map(({ first }) => first),
    onUnreadable: (reason) => onEvent({ type: 'ignored', code: 'command-invalid', reason: `fence: ${reason}` }),
    onFence: (fence, own) => {
      if (own)
        onEvent({ ...eventOf(fence), type: 'fenced', reason: `${fence.topic} ${fence.partition} from ${fence.offset}` })
      // Somebody could load what failed here: it is the model of the deployment, so it is tried until it is here too.
      else if (live && fence.generation > (active?.plan.number ?? 0)) {
        const plan = fold.plans.find(({ number }) => number === fence.generation)
        if (plan && plan === fold.current && !lives.size) retry(plan)
      }
    },
  })

  /** Others score with it, or have agreed to: going on without it would split the group. */
  const isSettled = (plan: GenerationPlan) => plan.agreed || fences.table.ofGeneration(plan.number) !== undefined

  /** Going on without it would split the group, or there is nothing to go on with. */
  const isNeeded = (plan: GenerationPlan) =>
    !closed &&
    plan.number > (active?.plan.number ?? 0) &&
    (isSettled(plan) || (!active && plan.number === fold.current?.number))

  const retry = (plan: GenerationPlan) => {
    const { number } = plan
    if (closed || retrying.has(number)) return
    const backoff = backoffs.get(number) ?? createBackoff(retryMs, 10 * retryMs)
    retrying.add(number)
    backoffs.set(number, backoff)
    void backoff.wait(closing.signal).then(() => {
      retrying.delete(number)
      if (isNeeded(plan)) void pursue(plan)
    })
  }

  /** Makes the generation active once its bundle is ready. False when it cannot be. */
  const pursue = async (plan: GenerationPlan, ready?: LiveGeneration): Promise<boolean> => {
    const one =
      ready ?? open(wantedBy(plan, isSettled(plan), fences.table.ofGeneration(plan.number)), plan.command, plan.number)
    try {
      await one.prepared
    } catch (error) {
      if (isNeeded(plan)) {
        if (plan.agreed) owed = plan
        wait(`generation ${plan.number} needs ${plan.model}: ${lineOf(error)}`)
        retry(plan)
      }
      return false
    }
    if (closed || plan.number <= (active?.plan.number ?? 0)) one.retire()
    else activate(plan, one)
    return true
  }

  const activate = (plan: GenerationPlan, one: LiveGeneration) => {
    const before = active
    const dropped = previous
    active = { live: one, plan, generation: one.activate(plan.number) }
    // Held before the old generation lets go of it; the end of a canary leaves what was previous as it is.
    if (before && before.generation.digest !== active.generation.digest) {
      previous = options.keepPrevious ? pool.hold(before.generation.digest) : undefined
      dropped?.release()
    }
    if (owed && owed.number <= plan.number) owed = undefined
    wayBack = wayBackOf(active, before)
    for (const choice of choices) choice.activated(active)
    backoffs.clear()
    wait(undefined)
    before?.live.retire()
  }

  /** What names no digest and is loaded means the very bundle that is: the one that was active before, for a rollback. */
  const asLoaded = ({ plan, action }: Extract<Outcome, { kind: 'generation' }>): GenerationPlan => {
    const now = active?.generation
    const same = action === 'ROLLBACK' && previous?.ref === plan.model ? previous : undefined
    // A canary, a shadow and their end go on with the bundle that is active, whatever its name means on disk by now.
    const stable = plan.mode !== 'ALL' || action === 'ABORT' || active?.plan.mode !== 'ALL' ? now : undefined
    const digest = plan.digest ?? same?.digest ?? (stable?.model === plan.model ? stable.digest : null)
    return { ...plan, digest }
  }

  const carryOut = (outcome: Outcome, command: ModelCommand) => {
    const about = { command: command.id, model: command.model, digest: command.digest }
    switch (outcome.kind) {
      case 'generation': {
        const ready = prepared?.live
        if (ready && outcome.action === 'COMMIT') prepared = undefined
        if (outcome.action === 'ROLLBACK') onEvent({ ...about, type: 'rolled-back', model: outcome.plan.model })
        return void pursue(asLoaded(outcome), outcome.action === 'COMMIT' ? ready : undefined)
      }
      case 'prepare':
        return prepare(outcome.prepared)
      case 'abort':
        onEvent({ type: 'aborted', command: outcome.prepared.command, model: outcome.prepared.model })
        prepared?.live.retire()
        prepared = undefined
        return
      case 'unload':
        if (!previous || previous.ref !== outcome.model || (outcome.digest && outcome.digest !== previous.digest))
          return onEvent({ ...about, type: 'ignored', reason: `${outcome.model} is not kept loaded here` })
        previous.release()
        previous = undefined
        return changed()
      case 'ignored':
        return onEvent({ ...about, type: 'ignored', reason: outcome.reason })
      case 'refused':
        return onEvent({ ...about, type: 'failed', code: outcome.code, reason: outcome.reason })
    }
  }

  const prepare = ({ command, model, digest }: Prepared) => {
    prepared?.live.retire()
    prepared = { command, live: open({ model, digest, settled: false }, command, null) }
  }

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
    if (live) carryOut(outcome, command)
  })

  /** The newest model that can be had; older ones only where nobody is known to score with a newer. */
  const loadCommitted = async () => {
    for (const plan of fold.plans.toReversed()) {
      if (closed || (await pursue(plan))) return
      if (!isSettled(plan)) continue
      while (!closed && !active) await nextChange()
      return
    }
  }

  const nextChange = () =>
    new Promise<void>((resolve) => {
      const subscription = changes.subscribe(() => {
        subscription.unsubscribe()
        resolve()
      })
    })

  return {
    changes,
    async start() {
      await Promise.all([control.catchUp(), fences.catchUp()])
      live = true
      // One whose client has died long ago is nobody's concern; should it be committed all the same, it is loaded then.
      if (fold.prepared && Date.now() - fold.prepared.at < preparedExpiresMs) prepare(fold.prepared)
      await loadCommitted()
      if (!active && !fold.current) wait('no model is named yet: send a SWITCH, or set `model`')
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
        deployment: options.deployment,
        worker: options.worker,
        partitions,
        fences,
        active: () => active,
        owed: () => owed !== undefined,
        open: (fence) => open(wantedBy(fence, true), fence.command, fence.generation),
        nextChange,
        onWaiting: wait,
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
      return active?.generation
    },
    get wayBack() {
      return wayBack
    },
    get inUse() {
      const named = [
        ...fold.plans.slice(-recentPlans),
        ...(fold.prepared ? [fold.prepared] : []),
        ...fences.table.all(),
        ...[...lives].flatMap(({ wanted }) => [
          { model: wanted.model, digest: wanted.digest },
          ...(wanted.candidate ? [{ model: wanted.candidate.model, digest: wanted.candidate.digest }] : []),
        ]),
      ]
      return new Set([...pool.loaded, ...named.flatMap(namesOf)])
    },
    get status() {
      const all = [...lives].map(statusOf)
      const now = active && statusOf(active.live)
      return {
        active: now,
        beside: active && besideOf(active.live),
        previous: previous && { model: previous.ref, digest: previous.digest },
        generations: now ? [now, ...all.filter(({ generation }) => generation !== now.generation)] : all,
        waiting,
      }
    },
    async close() {
      closed = true
      control.close()
      fences.close()
      closing.abort()
      prepared?.live.retire()
      for (const one of lives) one.retire()
      previous?.release()
      changed()
      changes.complete()
      await new Promise((resolve) => setImmediate(resolve))
      await pool.idle()
    },
  }
}

/** What guardrails have brought back is not left again. */
const wayBackOf = ({ plan, generation }: ActiveGeneration, before: ActiveGeneration | undefined): Swap['wayBack'] => {
  const better = plan.mode === 'ALL' ? before?.generation : generation
  const same = plan.mode === 'ALL' && better?.digest === generation.digest
  if (!better || same || guardedGeneration(plan.command) !== undefined) return undefined
  return { model: better.model, digest: better.digest }
}

/** A rollback goes back to one of these. */
const recentPlans = 8

const eventOf = ({ model, digest, generation, command }: Fence) => ({ model, digest, generation, command })
