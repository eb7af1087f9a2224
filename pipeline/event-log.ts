/** What a worker tells the group on `D.events`. Never in the way: while the broker is away events are kept, the newest thousand of them. */
import type { Kafka } from 'kafkajs'
import { Subject } from 'rxjs'
import { lineOf } from '../stages/errors.js'
import { createBackoff, settles } from './backoff.js'
import { createLogWriter } from './kafka/log-writer.js'
import type { ModelEvent } from './messages.js'

export interface EventLogOptions {
  readonly kafka: Kafka
  readonly topic: string
  readonly deployment: string
  readonly worker: string
  readonly encode: (event: ModelEvent) => Buffer
  readonly onState: (state: string, detail: string) => void
}

export interface EventLog {
  emit(event: Partial<ModelEvent> & Pick<ModelEvent, 'type'>): void
  /** everything that is emitted, at once */
  readonly events: Subject<ModelEvent>
  /** events that were given up because too many waited */
  readonly dropped: number
  /** Waits for what was emitted, for a few seconds. */
  close(): Promise<void>
}

const maxWaiting = 1_000
const closeTimeoutMs = 2_000

export function createEventLog(options: EventLogOptions): EventLog {
  const writer = createLogWriter(options.kafka, options.topic)
  const events = new Subject<ModelEvent>()
  const closing = new AbortController()
  const backoff = createBackoff(200, 5_000)
  const waiting: ModelEvent[] = []
  let dropped = 0
  let pumping: Promise<void> | undefined

  const pump = async () => {
    for (let head = waiting[0]; head; head = waiting[0]) {
      try {
        await writer.append(options.deployment, options.encode(head))
        waiting.shift()
        backoff.reset()
        options.onState('running', options.topic)
      } catch (error) {
        options.onState('waiting', lineOf(error))
        if (closing.signal.aborted) break
        await backoff.wait(closing.signal)
      }
    }
    pumping = undefined
  }

  return {
    events,
    get dropped() {
      return dropped
    },
    emit(event) {
      const whole: ModelEvent = {
        worker: options.worker,
        command: null,
        model: null,
        digest: null,
        generation: null,
        code: null,
        reason: null,
        at: Date.now(),
        ...event,
      }
      events.next(whole)
      if (waiting.length === maxWaiting) {
        // The first may be on its way.
        waiting.splice(1, 1)
        dropped++
      }
      waiting.push(whole)
      pumping ??= pump()
    },
    async close() {
      closing.abort()
      const said = pumping === undefined || (await settles(pumping, closeTimeoutMs))
      await writer.close(said ? undefined : 0)
      events.complete()
    },
  }
}
