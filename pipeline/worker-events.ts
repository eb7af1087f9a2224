/** What a worker says: on `D.events`, in its log, and to whoever listens in this process. */
import { ReplaySubject, type Subject } from 'rxjs'
import { createEventLog, type EventLog } from './event-log.js'
import { levelOf } from './event-table.js'
import { describeChanges, keepLevel } from './live-config.js'
import type { Logger } from './logging.js'
import type { ModelEvent } from './messages.js'
import type { WorkerClients } from './worker-clients.js'
import type { WorkerScope } from './worker-scope.js'

export type Said = Parameters<EventLog['emit']>[0]

const mostKept = 100

/** What there is to say of a worker from its first moment on, changes of its settings among it: kept until `D.events` can be written. */
export function openSaid({ live, log, onClose }: Pick<WorkerScope, 'live' | 'log' | 'onClose'>): Subject<Said> {
  const said = new ReplaySubject<Said>(mostKept)
  const levelling = keepLevel(log, live)
  const changing = live.changes.subscribe((changes) => {
    said.next({ type: 'configured', reason: describeChanges(changes), at: Date.now() })
  })
  onClose(async () => {
    levelling.unsubscribe()
    changing.unsubscribe()
  })
  return said
}

/** Says what is `said`; `heard` gets every event as it is said. */
export function openEvents(
  { id, config, log, onState, onClose }: WorkerScope,
  { kafka, codec }: WorkerClients,
  said: Subject<Said>,
  heard: Subject<ModelEvent>,
): EventLog {
  const eventLog = createEventLog({
    kafka,
    topic: config.topics.events,
    deployment: config.deployment,
    worker: id,
    encode: codec.encodeEvent,
    onState: onState('events'),
  })
  eventLog.events.subscribe((event) => {
    logEvent(log, event)
    heard.next(event)
  })
  onClose(() => eventLog.close())
  const telling = said.subscribe(eventLog.emit)
  onClose(async () => telling.unsubscribe())
  return eventLog
}

function logEvent(log: Logger, { type, worker: _, at: __, ...event }: ModelEvent): void {
  const said = Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null))
  log[levelOf(type)](said, type)
}
