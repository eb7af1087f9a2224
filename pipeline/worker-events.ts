/** What a worker says: on `D.events`, in its log, and to whoever listens in this process. */
import type { Subject } from 'rxjs'
import { createEventLog, type EventLog } from './event-log.js'
import { levelOf } from './event-table.js'
import { describeChanges } from './live-config.js'
import type { Logger } from './logging.js'
import type { ModelEvent } from './messages.js'
import type { WorkerClients } from './worker-clients.js'
import type { WorkerScope } from './worker-scope.js'

/** `heard` gets every event as it is said. */
export function openEvents(
  { id, config, live, log, onState, onClose }: WorkerScope,
  { kafka, codec }: WorkerClients,
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
  const changing = live.changes.subscribe((changes) => {
    if (changes.some(({ path }) => path === 'logLevel')) log.level = live.current.logLevel
    eventLog.emit({ type: 'configured', reason: describeChanges(changes) })
  })
  onClose(async () => changing.unsubscribe())
  return eventLog
}

function logEvent(log: Logger, { type, worker: _, at: __, ...event }: ModelEvent): void {
  const said = Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null))
  log[levelOf(type)](said, type)
}
