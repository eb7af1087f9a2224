/** The life of one assignment, the same for every source: a pipe is subscribed, fed against credits, drained, and cut if it will not end. */
import { Observable, Subject } from 'rxjs'
import type { Assignment, Covered, Credits, Fetched, TopicPartition } from '../stages/ports.js'

export interface AssignmentOptions<T> {
  readonly epoch: number
  readonly partitions: readonly TopicPartition[]
  readonly pipe: (assignment: Assignment) => Observable<T>
  /** Called only while the assignment lasts; `ended` aborts when it does not any more. */
  readonly commit: (offsets: readonly Covered[], ended: AbortSignal) => Promise<void>
  /** Gates the first record; a rejection is the business of whoever made it. */
  readonly ready?: Promise<void>
  readonly onValue: (value: T) => void
  readonly onError: (error: unknown) => void
}

export interface OpenAssignment {
  readonly epoch: number
  readonly partitions: readonly TopicPartition[]
  /** what gates the first record */
  readonly ready: Promise<void>
  /** aborts when the records are to end: from then on the pipe only drains */
  readonly closing: AbortSignal
  /** Waits for the pipe and for credits, hands the records on: true. False when the assignment or `signal` ended first. */
  push(fetched: Fetched, signal?: AbortSignal): Promise<boolean>
  /** Completes the records, waits at most `drainTimeoutMs` for the pipe, then unsubscribes from it. True when it drained. Idempotent. */
  close(drainTimeoutMs: number): Promise<boolean>
}

export const openAssignment = <T>(options: AssignmentOptions<T>): OpenAssignment => {
  const { epoch, partitions } = options
  const closing = new AbortController()
  const ended = new AbortController()
  const pipeDone = new AbortController()
  const subject = new Subject<Fetched>()
  let announceCredits: (credits: Credits) => void
  const subscribed = new Promise<Credits>((resolve) => {
    announceCredits = resolve
  })
  const ready = options.ready ?? Promise.resolve()
  const opened = ready.then(() => subscribed)
  let given: Credits | undefined
  opened.then(
    (credits) => {
      given = credits
    },
    () => undefined,
  )
  let taken = false

  const assignment: Assignment = {
    epoch,
    partitions,
    records: (credits) =>
      new Observable((subscriber) => {
        if (taken) throw new Error('the records of an assignment are subscribed to once')
        taken = true
        const subscription = subject.subscribe(subscriber)
        announceCredits(credits)
        return subscription
      }),
    commit: async (offsets) => {
      if (offsets.length > 0 && !ended.signal.aborted) await options.commit(offsets, ended.signal)
    },
  }

  const subscription = options.pipe(assignment).subscribe({
    next: options.onValue,
    complete: () => pipeDone.abort(),
    error: (error) => {
      pipeDone.abort()
      options.onError(error)
    },
  })

  const push = async (fetched: Fetched, signal?: AbortSignal): Promise<boolean> => {
    const stop = either(closing.signal, signal)
    try {
      const credits = given ?? (await Promise.race([opened, stop.aborted()]))
      if (credits === undefined) return false
      const { length } = fetched.records
      try {
        await credits.take(length, fetched.bytes, stop.signal)
      } catch (error) {
        if (stop.signal.aborted) return false
        throw error
      }
      if (stop.signal.aborted || !subject.observed) {
        credits.refund(length, fetched.bytes)
        // A pipe that ended by itself takes no more records, but the partitions stay ours until they are revoked.
        await stop.aborted()
        return false
      }
      subject.next(fetched)
      return true
    } finally {
      stop.release()
    }
  }

  let closed: Promise<boolean> | undefined
  const close = async (drainTimeoutMs: number): Promise<boolean> => {
    closing.abort()
    subject.complete()
    const drained = await abortsWithin(pipeDone.signal, drainTimeoutMs)
    ended.abort()
    subscription.unsubscribe()
    return drained
  }

  return {
    epoch,
    partitions,
    ready,
    closing: closing.signal,
    push,
    close: (drainTimeoutMs) => {
      closed ??= close(drainTimeoutMs)
      return closed
    },
  }
}

/**
 * A signal that aborts with the first of two, as `AbortSignal.any`, which Node 20.0 lacks; `release` takes the listeners off again. Where there
 * is only one it is that, and nothing is made: so it is with every run of a fetch.
 */
const either = (first: AbortSignal, second?: AbortSignal) => {
  if (!second) return { signal: first, aborted: () => aborts(first), release: () => undefined }
  const controller = new AbortController()
  const abort = () => controller.abort()
  const signals = [first, second]
  for (const signal of signals) signal.addEventListener('abort', abort, { once: true })
  if (signals.some((signal) => signal.aborted)) abort()
  return {
    signal: controller.signal,
    aborted: () => aborts(controller.signal),
    release: () => {
      for (const signal of signals) signal.removeEventListener('abort', abort)
    },
  }
}

const aborts = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })

const abortsWithin = (signal: AbortSignal, ms: number): Promise<boolean> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve(true)
    const done = (aborted: boolean) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', yes)
      resolve(aborted)
    }
    const yes = () => done(true)
    const timer = setTimeout(() => done(false), ms)
    signal.addEventListener('abort', yes, { once: true })
  })
