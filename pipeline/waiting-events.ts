/** What a worker waits for, said on `D.events` as well: whoever looks from outside, as `millrace status` does, sees why nothing moves. */
import type { EventLog } from './event-log.js'
import { type PartStates, waitingParts } from './part-states.js'

/** One event when it begins to wait and one when it waits for nothing any more, until `signal` aborts. */
export function sayWaits(states: PartStates, { emit }: Pick<EventLog, 'emit'>, signal: AbortSignal): void {
  let waiting = false
  const look = () => {
    const waits = waitingParts(states.all)
    if (signal.aborted || waits.length > 0 === waiting) return
    waiting = !waiting
    if (!waiting) return emit({ type: 'resumed' })
    emit({ type: 'waiting', reason: waits.map(({ part, detail }) => `${part}: ${detail}`).join('; ') })
  }
  const looking = states.changes.subscribe(look)
  signal.addEventListener('abort', () => looking.unsubscribe(), { once: true })
  look()
}
