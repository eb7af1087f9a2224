/**
 * Which generation scores in this worker: what the logs name is loaded, and takes the place of what scored before. What the group has settled on
 * and cannot be loaded here is tried again until it can.
 */
import { Subject, take } from 'rxjs'
import { lineOf } from '../../stages/errors.js'
import type { Generation, ModelLoader } from '../../stages/ports.js'
import type { Fence } from '../messages.js'
import { type ControlFold, type GenerationPlan, guardedGeneration } from './control-fold.js'
import { createGenerations, type Generations } from './generations.js'
import type { LiveGeneration } from './live-generation.js'
import type { PooledModel } from './model-pool.js'
import { createRetries } from './retries.js'
import { besideOf, type SwapEvent, type SwapStatus, statusOf } from './swap-status.js'
import { wantedBy } from './wanted.js'

export interface ActiveGeneration {
  readonly live: LiveGeneration
  readonly plan: GenerationPlan
  readonly generation: Generation
}

export interface SuccessionOptions {
  readonly fold: ControlFold
  readonly loader: ModelLoader
  /** as in `SwapOptions` */
  readonly keepPrevious: boolean
  readonly retryMs: number
  readonly onEvent: (event: SwapEvent) => void
  /** Another generation scores from now on. Called before the one before lets go of its model. */
  readonly onActive: (active: ActiveGeneration) => void
  /** One that scores in the group, where any does. */
  readonly fenceOf: (generation: number) => Fence | undefined
}

export interface Succession {
  /** Emits when the status may have changed. */
  readonly changes: Subject<void>
  readonly active: ActiveGeneration | undefined
  /** what was active before, kept loaded */
  readonly previous: PooledModel | undefined
  /** as in `Swap` */
  readonly wayBack: { readonly model: string; readonly digest: string } | undefined
  /** whether the group has agreed on a generation that is not here yet: nothing new must be scored with another in the meantime */
  readonly owes: boolean
  readonly status: SwapStatus
  readonly generations: Pick<Generations, 'names' | 'open'>
  /** Makes the generation active once its bundle is ready, or `ready` is. False when it cannot be. */
  pursue(plan: GenerationPlan, ready?: LiveGeneration): Promise<boolean>
  /** The newest model that can be had; older ones only where nobody is known to score with a newer. */
  loadCommitted(): Promise<void>
  /** Somebody else scores with a generation: where it failed here, it is the model of the deployment all the same. */
  seenElsewhere(generation: number): void
  /** Gives up what is kept for a rollback. */
  dropPrevious(): void
  /** Says what is waited for; undefined: for nothing. */
  wait(reason: string | undefined): void
  /** Resolves when the status may have changed. */
  nextChange(): Promise<void>
  /** Frees every model that has no lease. */
  close(): Promise<void>
}

export function createSuccession(options: SuccessionOptions): Succession {
  const { fold, fenceOf, onEvent } = options
  const changes = new Subject<void>()
  const generations = createGenerations({ loader: options.loader, onEvent, onChange: () => changes.next() })
  const retries = createRetries(options.retryMs)
  let active: ActiveGeneration | undefined
  let previous: PooledModel | undefined
  let owed: GenerationPlan | undefined
  let waiting: string | undefined
  let wayBack: Succession['wayBack']
  let closed = false

  const wait = (reason: string | undefined) => {
    waiting = reason
    changes.next()
  }

  /** Others score with it, or have agreed to: going on without it would split the group. */
  const isSettled = (plan: GenerationPlan) => plan.agreed || fenceOf(plan.number) !== undefined

  /** Going on without it would split the group, or there is nothing to go on with. */
  const isNeeded = (plan: GenerationPlan) =>
    !closed && isNewer(plan.number) && (isSettled(plan) || (!active && plan.number === fold.current?.number))

  const isNewer = (number: number) => number > (active?.plan.number ?? 0)

  const retry = (plan: GenerationPlan) => {
    if (closed) return
    retries.later(plan.number, () => {
      if (isNeeded(plan)) void pursue(plan)
    })
  }

  const pursue = async (plan: GenerationPlan, ready?: LiveGeneration): Promise<boolean> => {
    const { number } = plan
    const one = ready ?? generations.open(wantedBy(plan, isSettled(plan), fenceOf(number)), plan.command, number)
    try {
      await one.prepared
    } catch (error) {
      if (isNeeded(plan)) {
        if (plan.agreed) owed = plan
        wait(`generation ${number} needs ${plan.model}: ${lineOf(error)}`)
        retry(plan)
      }
      return false
    }
    if (closed || !isNewer(number)) one.retire()
    else activate(plan, one)
    return true
  }

  const activate = (plan: GenerationPlan, one: LiveGeneration) => {
    const before = active
    const dropped = previous
    active = { live: one, plan, generation: one.activate(plan.number) }
    // Held before the old generation lets go of it; the end of a canary leaves what was previous as it is.
    if (before && before.generation.digest !== active.generation.digest) {
      previous = options.keepPrevious ? generations.hold(before.generation.digest) : undefined
      dropped?.release()
    }
    if (owed && owed.number <= plan.number) owed = undefined
    wayBack = wayBackOf(active, before)
    options.onActive(active)
    retries.reset()
    wait(undefined)
    before?.live.retire()
  }

  const nextChange = () => new Promise<void>((resolve) => void changes.pipe(take(1)).subscribe(resolve))

  return {
    changes,
    generations,
    pursue,
    wait,
    nextChange,
    get active() {
      return active
    },
    get previous() {
      return previous
    },
    get wayBack() {
      return wayBack
    },
    get owes() {
      return owed !== undefined
    },
    get status() {
      const all = [...generations.all].map(statusOf)
      const now = active && statusOf(active.live)
      return {
        active: now,
        beside: active && besideOf(active.live),
        previous: previous && { model: previous.ref, digest: previous.digest },
        generations: now ? [now, ...all.filter(({ generation }) => generation !== now.generation)] : all,
        waiting,
      }
    },
    async loadCommitted() {
      for (const plan of fold.plans.toReversed()) {
        if (closed || (await pursue(plan))) return
        if (!isSettled(plan)) continue
        while (!closed && !active) await nextChange()
        return
      }
    },
    seenElsewhere(generation) {
      if (!isNewer(generation) || generations.all.size > 0) return
      const plan = fold.plans.find(({ number }) => number === generation)
      if (plan && plan === fold.current) retry(plan)
    },
    dropPrevious() {
      previous?.release()
      previous = undefined
      changes.next()
    },
    async close() {
      closed = true
      retries.close()
      generations.retireAll()
      previous?.release()
      changes.next()
      changes.complete()
      await new Promise((resolve) => setImmediate(resolve))
      await generations.idle()
    },
  }
}

/** What guardrails have brought back is not left again. */
const wayBackOf = (
  { plan, generation }: ActiveGeneration,
  before: ActiveGeneration | undefined,
): Succession['wayBack'] => {
  const better = plan.mode === 'ALL' ? before?.generation : generation
  const same = plan.mode === 'ALL' && better?.digest === generation.digest
  if (!better || same || guardedGeneration(plan.command) !== undefined) return undefined
  return { model: better.model, digest: better.digest }
}
