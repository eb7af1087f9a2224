/**
 * What a client and the workers of a deployment say to each other: commands on the control log, answers on the event log. What a command has
 * come to is read from the control log itself, as every worker reads it, and who is there is asked of the broker.
 */
import { randomUUID } from 'node:crypto'
import { Subject } from 'rxjs'
import { pause } from '../backoff.js'
import type { ModelCommand, ModelEvent } from '../messages.js'
import { type ControlFold, createControlFold, type Outcome } from './control-fold.js'
import { createGroupAnswers, type GroupAnswers } from './group-answers.js'
import { followLog } from './log-follower.js'
import type { Log, WritableLog } from './logs.js'

export interface DialogueOptions {
  /** from the beginning, with what workers do not listen to left out; `append` signs */
  readonly control: WritableLog<ModelCommand>
  /** what is said from now on, or more */
  readonly events: Log<ModelEvent>
  /** who is in the group now, by the ids of the workers */
  readonly members: () => Promise<readonly string[]>
  readonly issuer: string
  /** how often the broker is asked who is there; 500 by default */
  readonly pollMs?: number
  /** ends waiting; what has to be said then is still said */
  readonly signal?: AbortSignal
  /** Called when anything that is shown has changed. */
  readonly onProgress?: () => void
}

export interface Said {
  readonly id: string
  /** undefined: it is in the log, and was not read back within a few seconds */
  readonly outcome: Outcome | undefined
}

export interface Dialogue {
  /** the control log as it stands */
  readonly fold: ControlFold
  readonly answers: GroupAnswers
  /** who was in the group when it was last looked at, without who has said that it leaves */
  readonly members: readonly string[]
  /** members, and who has answered without being one: it is about to join, or has left */
  readonly everybody: readonly string[]
  /** Asks the broker again. */
  look(): Promise<void>
  /** Appends a command and waits until the control log says what it has come to. */
  say(given: Pick<ModelCommand, 'action' | 'model' | 'digest'>): Promise<Said>
  /** The first answer of `decide` that is not undefined; it is asked whenever something has changed. Undefined when time is up, or `signal` aborts. */
  until<T>(decide: () => T | undefined, timeoutMs: number): Promise<T | undefined>
  close(): void
}

const readBackMs = 10_000
/** A sequence that another client of the same issuer has just used is tried again with the next. */
const tries = 5

/** Resolves when what is in the control log is known, and nothing that is said from now on is missed. Rejects when the broker does. */
export async function openDialogue(options: DialogueOptions): Promise<Dialogue> {
  const { control, pollMs = 500, signal, onProgress } = options
  const fold = createControlFold(undefined)
  const outcomes = new Map<string, Outcome>()
  const changes = new Subject<void>()
  const changed = () => {
    onProgress?.()
    changes.next()
  }
  const follower = followLog(control, (item) => {
    if (item.type !== 'entry') return
    const outcome = fold.apply({ offset: item.offset, timestamp: item.timestamp, command: item.value })
    if (outcomes.has(item.value.id)) outcomes.set(item.value.id, outcome)
    changed()
  })
  const answers = createGroupAnswers(options.events, changed)
  const close = () => {
    follower.close()
    answers.close()
  }
  let members: readonly string[] = []
  let lookedAt = 0
  let sequence = 0

  const look = async () => {
    const found = await options.members()
    lookedAt = Date.now()
    const before = members.join()
    members = [...found].sort()
    if (members.join() !== before) changed()
  }

  const until: Dialogue['until'] = async (decide, timeoutMs) => {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const decided = decide()
      if (decided !== undefined) return decided
      const left = deadline - Date.now()
      if (left <= 0 || signal?.aborted) return undefined
      await nextChange(Math.min(pollMs, left))
      // A broker that is away for a moment leaves what was known before.
      if (Date.now() - lookedAt >= pollMs) await look().catch(() => undefined)
    }
  }

  const nextChange = async (ms: number) => {
    const woken = new AbortController()
    const wake = () => woken.abort()
    const subscription = changes.subscribe(wake)
    signal?.addEventListener('abort', wake, { once: true })
    await pause(ms, woken.signal)
    subscription.unsubscribe()
    signal?.removeEventListener('abort', wake)
  }

  const sayOnce = async (given: Parameters<Dialogue['say']>[0]): Promise<Said> => {
    const id = randomUUID()
    const issuedAt = Date.now()
    sequence = Math.max(sequence + 1, issuedAt)
    const waiting: Outcome = { kind: 'ignored', reason: 'not read back' }
    outcomes.set(id, waiting)
    answers.follow(id)
    const { issuer } = options
    await control.append({ id, percent: null, issuedAt, issuer, sequence, signature: null, ...given })
    const deadline = Date.now() + readBackMs
    while (outcomes.get(id) === waiting && Date.now() < deadline) {
      const woken = new AbortController()
      const subscription = changes.subscribe(() => woken.abort())
      if (outcomes.get(id) === waiting) await pause(deadline - Date.now(), woken.signal)
      subscription.unsubscribe()
    }
    const outcome = outcomes.get(id)
    outcomes.delete(id)
    return { id, outcome: outcome === waiting ? undefined : outcome }
  }

  try {
    await Promise.all([follower.catchUp(), answers.listening, look()])
  } catch (error) {
    close()
    throw error
  }
  return {
    fold,
    answers,
    get members() {
      return members.filter((id) => answers.of(id).state !== 'left')
    },
    get everybody() {
      return [...new Set([...members, ...answers.workers])].sort()
    },
    look,
    async say(given) {
      for (let left = tries; ; left--) {
        const said = await sayOnce(given)
        if (said.outcome?.kind !== 'ignored' || left === 1) return said
      }
    },
    until,
    close,
  }
}
