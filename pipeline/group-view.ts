/** The workers of a deployment as their events tell it: who is there, and how far each is with each bundle. */
import { Subject, type Subscription } from 'rxjs'
import type { ModelEvent } from './messages.js'
import type { Log } from './swap/logs.js'

export interface GroupEvent extends ModelEvent {
  /** on `D.events` */
  readonly offset: number
}

export interface WorkerModel {
  readonly model: string
  readonly generation: number | null
  /** of the last event: loading, verifying, prepared, activated, draining, failed */
  readonly state: string
  readonly reason: string | null
  readonly at: number
}

export interface WorkerView {
  readonly worker: string
  /** whether it has joined and not left; one that died says neither */
  readonly joined: boolean
  readonly seenAt: number
  /** newest last */
  readonly models: readonly WorkerModel[]
}

/** What became of the last command that named a model. */
export interface CommandView {
  readonly command: string
  readonly model: string
  /** of a canary or a shadow, what scores beside the model, in words */
  readonly beside: string | null
  readonly begunAt: number
  /** state by worker */
  readonly workers: Readonly<Record<string, string>>
}

export interface GroupView {
  readonly workers: readonly WorkerView[]
  readonly command: CommandView | undefined
  /** the latest, oldest first */
  readonly events: readonly GroupEvent[]
  readonly next: Subject<GroupEvent>
  close(): void
}

const keptEvents = 500
const keptWorkers = 200
const modelsPerWorker = 8
const ended = new Set(['released', 'aborted'])
const states = new Set(['loading', 'verifying', 'prepared', 'activated', 'draining', 'failed'])

/** Follows the log until it is closed. */
export function createGroupView(log: Log<ModelEvent>): GroupView {
  const workers = new Map<string, { joined: boolean; seenAt: number; models: Map<string, WorkerModel> }>()
  const events: GroupEvent[] = []
  const next = new Subject<GroupEvent>()
  let command: (Omit<CommandView, 'workers'> & { readonly workers: Map<string, string> }) | undefined

  const apply = (event: GroupEvent) => {
    events.push(event)
    if (events.length > keptEvents) events.shift()
    const one = workers.get(event.worker) ?? { joined: false, seenAt: 0, models: new Map() }
    // Set anew, so that whoever was silent longest comes first and goes first.
    workers.delete(event.worker)
    workers.set(event.worker, one)
    if (workers.size > keptWorkers) workers.delete([...workers.keys()][0]!)
    one.seenAt = event.at
    if (event.type === 'joined') one.joined = true
    if (event.type === 'left') {
      one.joined = false
      one.models.clear()
    }
    if (event.model !== null) {
      const { model, generation, reason, at } = event
      const key = `${model} ${event.command ?? ''}`
      if (states.has(event.type) || ended.has(event.type)) one.models.delete(key)
      if (states.has(event.type)) one.models.set(key, { model, generation, state: event.type, reason, at })
      if (one.models.size > modelsPerWorker) one.models.delete([...one.models.keys()][0]!)
      follow(event, model)
    }
  }

  const follow = ({ command: id, worker, type, reason, at }: GroupEvent, model: string) => {
    if (id === null || !(states.has(type) || type === 'aborted')) return
    if (command?.command !== id) {
      // What an older command has left behind is drained and released later.
      if (type !== 'loading' && type !== 'failed') return
      const beside = type === 'loading' ? reason : null
      command = { command: id, model, beside, begunAt: at, workers: new Map() }
    }
    if (type !== 'draining') command.workers.set(worker, type)
  }

  const subscription: Subscription = log.items.subscribe((item) => {
    if (item.type !== 'entry') return
    const event = { ...item.value, offset: item.offset }
    apply(event)
    next.next(event)
  })

  return {
    get workers() {
      return [...workers].map(([worker, { joined, seenAt, models }]) => ({
        worker,
        joined,
        seenAt,
        models: [...models.values()],
      }))
    },
    get command() {
      return command && { ...command, workers: Object.fromEntries(command.workers) }
    },
    events,
    next,
    close() {
      subscription.unsubscribe()
      next.complete()
    },
  }
}
