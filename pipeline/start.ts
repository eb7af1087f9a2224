/** A worker: one process of a deployment, from its configuration to the end of its last record. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { type Observer, Subject } from 'rxjs'
import type { MillraceError } from '../stages/errors.js'
import type { DeadlineRule } from '../stages/ports.js'
import type { Config } from './config.js'
import type { FallbackStatus } from './deadline-fallback.js'
import { createDeadlineStats, type DeadlineStats } from './deadline-stats.js'
import type { EventLog } from './event-log.js'
import { createLiveConfig, type LiveConfig } from './live-config.js'
import type { Logger } from './logging.js'
import type { ModelEvent } from './messages.js'
import { createPartStates, type Part, type PartState, type PartStates, waitingParts } from './part-states.js'
import { observers, type PipeObserver } from './pipe-observer.js'
import { createPipeStats, type PipeStats } from './pipe-stats.js'
import type { ShadowStats } from './shadow-report.js'
import { type BudgetCount, createStageCosts, type GenerationStages } from './stage-costs.js'
import type { SwapStatus } from './swap/swap.js'
import { openTraces } from './traces.js'
import { sayWaits } from './waiting-events.js'
import { openClients, type PreparedClients, prepareClients } from './worker-clients.js'
import { openEvents, openSaid, type Said } from './worker-events.js'
import { openFallback } from './worker-fallback.js'
import { openGuardrails } from './worker-guardrails.js'
import { openPipe } from './worker-pipe.js'
import type { WorkerScope } from './worker-scope.js'
import { collectUnused, openWorkerStore } from './worker-store.js'
import { openSwap } from './worker-swap.js'

export interface WorkerOptions {
  readonly config: Config
  /** the same configuration where some of it may change while the worker runs */
  readonly live?: LiveConfig
  readonly logger: Logger
  /** unique in the group; made from host and process by default */
  readonly id?: string
  /** sees the pipe as the worker's own counters do */
  readonly observer?: PipeObserver
  /** hears what the worker says on `D.events`, from the first event on */
  readonly listener?: Observer<ModelEvent>
}

export interface WorkerStatus {
  readonly worker: string
  readonly deployment: string
  /** whether it has joined the group and waits for nothing */
  readonly ready: boolean
  /** milliseconds since the epoch */
  readonly startedAt: number
  readonly parts: readonly PartState[]
  readonly model: SwapStatus
  readonly pipe: PipeStats
  /** milliseconds that the event loop of this process ran, and that it waited for something to do */
  readonly mainThread: { readonly activeMs: number; readonly idleMs: number }
  /** of the shadow under way, or the last one */
  readonly shadow: ShadowStats | undefined
  /** where there is a deadline */
  readonly deadline: DeadlineStats | undefined
  /** inference threads that died and were started again */
  readonly threadDeaths: number
  /** how stages of models kept the budgets of their bundles */
  readonly budgets: readonly BudgetCount[]
  /** of the deadline, where it has one */
  readonly fallback: FallbackStatus | undefined
  /** what they cost by batch size, in the newest generations */
  readonly stageCosts: readonly GenerationStages[]
}

export interface Worker {
  readonly id: string
  readonly config: Config
  readonly status: WorkerStatus
  /** what this worker says on `D.events`, as it says it */
  readonly events: Subject<ModelEvent>
  /** Says something on `D.events`, as soon as that can be written. */
  say(event: Said): void
  readonly states: PartStates
  /** Resolves when it has joined the group; rejects when it cannot. */
  readonly running: Promise<void>
  /** Resolves when it was stopped; rejects with what ended it. */
  readonly finished: Promise<void>
  /** Finishes what is in flight, at most `drainTimeoutMs`, leaves the group and frees everything. Idempotent. */
  stop(): Promise<void>
}

/** Starts at once and returns; `running` tells when it has come up. Whoever starts it stops it. */
export function startWorker(options: WorkerOptions): Worker {
  const { config, logger, observer, live = createLiveConfig(config), id = workerId() } = options
  const startedAt = Date.now()
  const states = createPartStates()
  const stats = createPipeStats()
  const stageCosts = createStageCosts()
  const deadlineStats = config.deadline && createDeadlineStats(() => live.current.deadline as DeadlineRule)
  /** asked to stop: nothing new is begun */
  const stopping = new AbortController()
  /** nothing is in flight any more: what is waited for is given up */
  const ending = new AbortController()
  let draining = false
  let threadDeaths = 0
  const events = new Subject<ModelEvent>()
  if (options.listener) events.subscribe(options.listener)
  const log = logger.child({ worker: id })
  const closers: (() => Promise<unknown>)[] = []
  let modelStatus: () => SwapStatus = () => ({
    active: undefined,
    beside: undefined,
    previous: undefined,
    generations: [],
    waiting: 'starting',
  })
  let fallbackStatus: () => FallbackStatus | undefined = () => undefined
  let shadowStats: () => ShadowStats | undefined = () => undefined
  let joined: () => void = () => undefined
  const running = new Promise<void>((resolve) => {
    joined = resolve
  })

  states.changes.subscribe(({ part, state, detail }) => {
    if (state === 'waiting') log.warn({ part, detail }, `${part} waits`)
    else log.debug({ part, detail }, `${part} ${state}`)
  })
  const onState = (part: Part) => (state: string, detail: string) => {
    states.set(part, state, detail)
    if (part === 'source' && state === 'running') joined()
  }

  const scope: WorkerScope = {
    id,
    config,
    live,
    log,
    onState,
    ending: ending.signal,
    onClose: (close) => void closers.push(close),
  }

  const said = openSaid(scope)

  const run = async () => {
    const clients = await openClients(scope)
    const eventLog = openEvents(scope, clients, said, events)
    sayWaits(states, eventLog, stopping.signal)
    try {
      await score(await prepareClients(scope, clients), eventLog)
    } finally {
      eventLog.emit({ type: 'left' })
    }
  }

  const score = async (clients: PreparedClients, eventLog: EventLog) => {
    const store = await openWorkerStore(scope, clients, eventLog)
    const onThreadDeath = () => threadDeaths++
    const fallback = await openFallback(scope, clients, store, onThreadDeath)
    const swap = openSwap(scope, clients, store, eventLog, fallback, onThreadDeath)
    modelStatus = () => swap.status
    collectUnused(scope, store, eventLog, () => new Set([...swap.inUse, ...(fallback ? [fallback.digest] : [])]))
    const guardrails = await openGuardrails(scope, clients, swap, eventLog)
    const traces = await openTraces({ settings: config.traces, deployment: config.deployment, worker: id })
    if (traces) scope.onClose(traces.close)
    const watching = [
      stats.observer,
      stageCosts.observer,
      deadlineStats?.observer,
      observer,
      guardrails.observer,
      traces?.observer,
    ].filter((one) => one !== undefined)
    let halted: MillraceError | undefined
    const halt = (error: MillraceError) => {
      halted ??= error
      eventLog.emit({ type: 'halted', code: error.code, reason: error.detail })
      leave()
    }
    const opened = await openPipe(scope, clients, swap, observers(watching), guardrails, fallback, halt)
    const { source, pipe, shadows } = opened
    const leave = () => void source.stop()
    if (stopping.signal.aborted) return

    shadowStats = () => shadows.stats
    fallbackStatus = opened.fallback
    const standIn = fallback ? `, falls back on ${fallback.ref}` : ''
    eventLog.emit({ type: 'joined', reason: `reads ${config.topics.input} as ${config.kafka.groupId}${standIn}` })
    draining = true
    stopping.signal.addEventListener('abort', leave, { once: true })
    await new Promise<void>((resolve, reject) => {
      source.open(pipe).subscribe({ complete: resolve, error: reject })
      if (stopping.signal.aborted) leave()
    })
    if (halted) throw halted
  }

  const finished = run()
    .catch((error) => {
      if (!stopping.signal.aborted) throw error
    })
    .finally(async () => {
      ending.abort()
      // Last opened, first closed; one that fails does not keep the others.
      for (const close of closers.toReversed()) await close().catch((error) => log.debug({ err: error }, 'closing'))
      stopping.abort()
      events.complete()
    })
  finished.catch(() => undefined)

  return {
    id,
    config,
    events,
    say: (event) => said.next(event),
    states,
    running: Promise.race([running, finished.then(() => undefined)]),
    finished,
    get status() {
      const all = states.all
      const model = modelStatus()
      const ready =
        all.some(({ part, state }) => part === 'source' && state === 'running') && waitingParts(all).length === 0
      const pipe = stats.snapshot()
      const { active: activeMs, idle: idleMs } = performance.eventLoopUtilization()
      const mainThread = { activeMs, idleMs }
      const { deployment } = config
      const shadow = shadowStats()
      return {
        worker: id,
        deployment,
        ready,
        startedAt,
        parts: all,
        model,
        pipe,
        mainThread,
        shadow,
        threadDeaths,
        budgets: stageCosts.budgets,
        fallback: fallbackStatus(),
        stageCosts: stageCosts.all,
        deadline: deadlineStats?.snapshot(),
      }
    },
    async stop() {
      stopping.abort()
      if (!draining) ending.abort()
      await finished.catch(() => undefined)
    },
  }
}

const workerId = () => `${hostname().slice(0, 40)}-${process.pid}-${randomUUID().slice(0, 8)}`
