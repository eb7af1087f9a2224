import type { Kafka } from 'kafkajs'
import { Observable, type Subscriber } from 'rxjs'
import { MillraceError } from '../../stages/errors.js'
import type { Assignment, Covered, Source, TopicPartition } from '../../stages/ports.js'
import { type OpenAssignment, openAssignment } from '../assignment.js'
import { createBackoff } from '../backoff.js'
import { describeKafkaError, isRefusal, kafkaErrorType } from './errors.js'
import type { Membership } from './join-hook.js'
import { runMember } from './member.js'

export type SourceState = 'connecting' | 'joining' | 'running' | 'waiting' | 'stopped'

/** Records handed on at once. One run is let into a pipe with less credit than that, if nothing else is in it. */
export const defaultRecordsPerRun = 2_048

/** The time for which a member owns partitions. */
export interface Tenure {
  /** Resolves when the group still knows the member as their owner; rejects when it does not, or not now. */
  readonly confirm: () => Promise<void>
  /** aborts when the partitions are given up */
  readonly signal: AbortSignal
}

export interface KafkaSourceOptions {
  /** a client of its own: see `createKafka` */
  readonly kafka: Kafka
  readonly groupId: string
  readonly topic: string
  /** where to begin without a committed offset; true by default */
  readonly fromBeginning?: boolean
  readonly sessionTimeoutMs: number
  /** how long a revoked or stopping pipe may finish; heartbeats go on meanwhile, so it may exceed the session timeout */
  readonly drainTimeoutMs: number
  readonly fetch: { readonly maxBytesPerPartition: number; readonly maxWaitMs: number }
  /** records handed on at once; `defaultRecordsPerRun` by default */
  readonly maxRecordsPerRun?: number
  /** Awaited after an assignment, before its first record is handed on. Waits out infrastructure itself: a rejection ends the source. */
  readonly beforeRecords?: (partitions: readonly TopicPartition[], tenure: Tenure) => Promise<void>
  /** `waiting` is said with what is waited for; `running` also with what was lost to retention. */
  readonly onState?: (state: SourceState, detail: string) => void
}

/** The group has gone on without this member: whoever owns the partitions now reads the records again. */
const lostMembership = new Set([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'FENCED_INSTANCE_ID',
])
/** Waiting does not mend these. A right that is lost while running is waited for all the same: whoever took it away can give it back. */
const isHopeless = (error: MillraceError, everJoined: boolean): boolean =>
  error.code === 'config-invalid' || (!everJoined && isRefusal(error))

/**
 * The consumer group as a `Source`. A broker that is away and a topic that does not exist are waited for, for ever and visibly (`onState`);
 * a pipe that errors with `producer-fenced` makes it join the group anew; credentials and rights that are refused before the group was ever
 * joined error the observable, and so do settings the broker does not take and records that this Node cannot decompress.
 */
export const createKafkaSource = (options: KafkaSourceOptions): Source => {
  let epoch = 0
  let running: { stop(): Promise<void> } | undefined
  return {
    open: <T>(pipe: (assignment: Assignment) => Observable<T>) =>
      new Observable<T>((subscriber) => {
        if (running) throw new Error('the source is open already')
        const opened = openSource(options, pipe, subscriber, () => ++epoch)
        running = opened
        void opened.finished.then(() => {
          running = undefined
        })
        return () => void opened.stop()
      }),
    stop: async () => running?.stop(),
  }
}

const openSource = <T>(
  options: KafkaSourceOptions,
  pipe: (assignment: Assignment) => Observable<T>,
  subscriber: Subscriber<T>,
  nextEpoch: () => number,
) => {
  const stopping = new AbortController()
  const backoff = createBackoff()
  const state = (name: SourceState, detail: string) => options.onState?.(name, detail)
  let everJoined = false
  let failure: { readonly error: unknown } | undefined
  const fail = (error: unknown) => {
    failure ??= { error }
    stopping.abort()
  }
  /** ends the membership, not the source */
  let leaving = new AbortController()
  stopping.signal.addEventListener('abort', () => leaving.abort(), { once: true })
  let fenced: MillraceError | undefined
  const onPipeError = (error: unknown) => {
    if (!(error instanceof MillraceError) || error.code !== 'producer-fenced') return fail(error)
    fenced = error
    leaving.abort()
  }

  const assign = (partitions: readonly TopicPartition[], membership: Membership): OpenAssignment => {
    everJoined = true
    backoff.reset()
    const epoch = nextEpoch()
    const prepare = async () => {
      await options.beforeRecords?.(partitions, { confirm: membership.heartbeat, signal: assignment.closing })
      state('running', `epoch ${epoch}: ${options.topic} ${partitions.map((one) => one.partition).join(', ')}`)
    }
    const ready = Promise.resolve().then(prepare)
    ready.catch(fail)
    const assignment: OpenAssignment = openAssignment({
      epoch,
      partitions,
      pipe,
      ready,
      commit: (offsets, ended) => commit(membership, offsets, assignment.closing, ended),
      onValue: (value) => subscriber.next(value),
      onError: onPipeError,
    })
    return assignment
  }

  const loop = async () => {
    // Said once: what is waited for stays in sight while it is tried again.
    state('connecting', options.topic)
    while (!stopping.signal.aborted) {
      leaving = new AbortController()
      fenced = undefined
      try {
        await runMember(
          {
            ...options,
            fromBeginning: options.fromBeginning ?? true,
            maxRecordsPerRun: options.maxRecordsPerRun ?? defaultRecordsPerRun,
            assign,
            onJoining: () => state('joining', options.groupId),
            onIdle: () => state('running', `no partitions of ${options.topic}: more members than partitions`),
            onLost: ({ topic, partition }, from, to) =>
              state('running', `${topic} ${partition}: offset ${from} is gone, going on at ${to}: ${lost(from, to)}`),
          },
          leaving.signal,
        )
        if (fenced) throw fenced
      } catch (error) {
        if (stopping.signal.aborted) break
        const described = describeKafkaError(error, options.topic)
        if (isHopeless(described, everJoined)) fail(described)
        else {
          state('waiting', described.line)
          await backoff.wait(stopping.signal)
        }
      }
    }
    state('stopped', options.topic)
    if (failure) subscriber.error(failure.error)
    else subscriber.complete()
  }

  const finished = loop()
  return {
    finished,
    stop: () => {
      stopping.abort()
      return finished
    },
  }
}

const lost = (from: number, to: number) =>
  to >= from ? `${to - from} offsets lost to retention` : 'the log is shorter than the committed offset'

/**
 * Until the broker has them, or the assignment has ended. Once the group has gone on this waits for the member to notice: what is published
 * and cannot be committed must not make room for more.
 */
const commit = async (
  membership: Membership,
  offsets: readonly Covered[],
  closing: AbortSignal,
  ended: AbortSignal,
): Promise<void> => {
  const backoff = createBackoff(50, 2_000)
  const requests = offsets.map(({ topic, partition, next }) => ({ topic, partition, offset: String(next) }))
  while (!ended.aborted) {
    try {
      return await membership.commit(requests)
    } catch (error) {
      const type = kafkaErrorType(error)
      if (type !== undefined && lostMembership.has(type)) return closing.aborted ? undefined : aborts(closing)
      await backoff.wait(ended)
    }
  }
}

const aborts = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
