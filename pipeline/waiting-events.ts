/** What a worker waits for, said on `D.events` as well: whoever looks from outside, as `millrace status` does, sees why nothing moves. */
import type { EventLog } from './event-log.js'
import { type PartStates, waitingParts } from './part-states.js'

/** While it lasts it is said again so often: who comes later can tell a worker that waits from one that died waiting. */
export const waitSaidEveryMs = 60_000

/** An event whenever it waits for other parts than before, and one when it waits for nothing any more, until `signal` aborts. */
export function sayWaits(states: PartStates, { emit }: Pick<EventLog, 'emit'>, signal: AbortSignal): void {
  let said = ''
  let repeating: NodeJS.Timeout | undefined
  const say = () => {
    const reasons = waitingParts(states.all).map(({ part, detail }) => `${part}: ${detail}`)
    emit({ type: 'waiting', reason: reasons.join('; ') })
  }
  const look = () => {
    const waiting = waitingParts(states.all)
      .map(({ part }) => part)
      .join()
    if (signal.aborted || waiting === said) return
    said = waiting
    clearInterval(repeating)
    if (waiting === '') return emit({ type: 'resumed' })
    repeating = setInterval(say, waitSaidEveryMs)
    say()
  }
  const looking = states.changes.subscribe(look)
  const end = () => {
    looking.unsubscribe()
    clearInterval(repeating)
  }
  signal.addEventListener('abort', end, { once: true })
  look()
}
