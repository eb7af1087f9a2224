/**
 * Reading a topic of one partition from its beginning, for ever: the control topic, the events. Every worker reads all of it, so a
 * consumer group would be of no use: it would want its own name, an ACL and a clean-up for each reader. Fetched by hand instead, over the
 * cluster interface that kafkajs gives to partition assigners; nothing is committed and nothing is left behind on the broker.
 */
import type { Cluster, Kafka } from 'kafkajs'
import { Observable } from 'rxjs'
import type { SourceRecord } from '../../stages/ports.js'
import { createBackoff, settles, unless } from '../backoff.js'
import { createCluster, fetchPartition, leaveCluster, logEdge, logEdges } from './cluster.js'
import { describeKafkaError, kafkaErrorType } from './errors.js'

export type LogEntry =
  | { readonly type: 'entry'; readonly record: SourceRecord }
  /** once: everything that was there when the reading began has been emitted; `offset` is the end of the log at that time */
  | { readonly type: 'caught-up'; readonly offset: number }
  /** everything below `offset` has been emitted: after each fetch that went further, also over gaps */
  | { readonly type: 'reached'; readonly offset: number }

export interface ReadLogOptions {
  /** true by default; false begins at the end, after what is there now */
  readonly fromBeginning?: boolean
  readonly maxWaitMs?: number
  readonly signal?: AbortSignal
  readonly onState?: (state: 'connecting' | 'running' | 'waiting' | 'stopped', detail: string) => void
}

/**
 * Entries in order, without repeats, across broker restarts; a broker that is away or a topic that does not exist is waited for. Ends
 * only by unsubscribing or by `signal`, which completes it. Errors for refused credentials and missing rights at the first try.
 */
export const readLog = (kafka: Kafka, topic: string, options: ReadLogOptions = {}): Observable<LogEntry> =>
  new Observable((subscriber) => {
    const stopping = new AbortController()
    const stop = () => stopping.abort()
    if (options.signal?.aborted) stop()
    options.signal?.addEventListener('abort', stop, { once: true })
    const state: NonNullable<ReadLogOptions['onState']> = (name, detail) => options.onState?.(name, detail)
    const position: Position = { next: undefined, end: undefined }

    const loop = async () => {
      const backoff = createBackoff()
      let everRead = false
      // Said once: what is waited for stays in sight while it is tried again.
      state('connecting', topic)
      while (!stopping.signal.aborted) {
        let running = false
        try {
          await readSession(
            kafka,
            topic,
            options,
            position,
            stopping.signal,
            (entry) => subscriber.next(entry),
            () => {
              if (!running) state('running', topic)
              running = true
              everRead = true
              backoff.reset()
            },
          )
        } catch (error) {
          if (stopping.signal.aborted) break
          const described = describeKafkaError(error, topic)
          if (!described.retryable && !everRead) return subscriber.error(described)
          state('waiting', described.line)
          await backoff.wait(stopping.signal)
        }
      }
      state('stopped', topic)
      subscriber.complete()
    }
    void loop()
    return () => {
      stop()
      options.signal?.removeEventListener('abort', stop)
    }
  })

interface Position {
  /** the next offset to read; undefined before the first connection */
  next: number | undefined
  /** the end that has to be reached to be caught up; undefined once it was */
  end: number | undefined
}

/** Reads over one connection until `signal` aborts; rejects when the connection fails. */
const readSession = async (
  kafka: Kafka,
  topic: string,
  options: ReadLogOptions,
  position: Position,
  signal: AbortSignal,
  emit: (entry: LogEntry) => void,
  onRead: () => void,
): Promise<void> => {
  const cluster = createCluster(kafka)
  let said = -1
  const reached = () => {
    if (position.next === undefined || position.next === said) return
    said = position.next
    emit({ type: 'reached', offset: said })
  }
  const read = async () => {
    await cluster.connect()
    await cluster.addTargetTopic(topic)
    while (!signal.aborted) {
      if (position.next === undefined) {
        const [first, end] = [await logEdge(cluster, topic, 0, 'first'), await logEdge(cluster, topic, 0, 'end')]
        position.next = options.fromBeginning === false ? end : first
        position.end = end
        reached()
      }
      if (position.end !== undefined && position.next >= position.end) {
        emit({ type: 'caught-up', offset: position.end })
        position.end = undefined
      }
      const fetched = await fetchPartition(cluster, topic, 0, position.next, options.maxWaitMs ?? 500)
      onRead()
      for (const record of fetched.records) {
        if (signal.aborted) return
        position.next = record.offset + 1
        emit({ type: 'entry', record })
      }
      position.next = fetched.next
      reached()
    }
  }
  const reading = read()
  try {
    await unless(reading, signal)
  } catch (error) {
    // Expired, or the topic was made anew: whatever is there now is what the log says.
    if (kafkaErrorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error
    position.next = undefined
  } finally {
    await leaveCluster(cluster, reading, 2_000)
  }
}

/** The end of the log now: the offset after the last entry. Waits for a broker that is away; rejects as `readLog` errors, and when `signal` aborts. */
export const logEnd = (kafka: Kafka, topic: string, signal?: AbortSignal): Promise<number> =>
  askCluster(kafka, topic, signal, (cluster) => logEdge(cluster, topic, 0, 'end'))

export interface PartitionEdges {
  /** the first offset that there is */
  readonly first: number
  /** the one after the last */
  readonly end: number
}

/** The edges of the partitions now, in their order. Waits and rejects as `logEnd`; `onWaiting` is told what for. */
export const partitionEdges = (
  kafka: Kafka,
  topic: string,
  partitions: readonly number[],
  signal?: AbortSignal,
  onWaiting?: (detail: string) => void,
): Promise<PartitionEdges[]> => {
  const ask = async (cluster: Cluster) => {
    const [firsts, ends] = [
      await logEdges(cluster, topic, partitions, 'first'),
      await logEdges(cluster, topic, partitions, 'end'),
    ]
    return partitions.map((_, index) => ({ first: firsts[index]!, end: ends[index]! }))
  }
  return askCluster(kafka, topic, signal, ask, onWaiting)
}

const askCluster = async <T>(
  kafka: Kafka,
  topic: string,
  signal: AbortSignal | undefined,
  ask: (cluster: Cluster) => Promise<T>,
  onWaiting?: (detail: string) => void,
): Promise<T> => {
  const backoff = createBackoff()
  for (;;) {
    signal?.throwIfAborted()
    const cluster = createCluster(kafka)
    const asking = async () => {
      await cluster.connect()
      await cluster.addTargetTopic(topic)
      return { answer: await ask(cluster) }
    }
    try {
      // A broker that is silent is given up no sooner than after half a minute.
      const answered = await (signal ? unless(asking(), signal) : asking())
      if (answered) return answered.answer
    } catch (error) {
      const described = describeKafkaError(error, topic)
      if (!described.retryable) throw described
      onWaiting?.(described.line)
      await backoff.wait(signal)
    } finally {
      await settles(cluster.disconnect(), 2_000)
    }
  }
}
