/** The logs of a deployment on Kafka, decoded for those who follow them. */
import type { Kafka } from 'kafkajs'
import { concatMap, type Observable } from 'rxjs'
import { lineOf, MillraceError } from '../stages/errors.js'
import type { SourceRecord } from '../stages/ports.js'
import { createBackoff } from './backoff.js'
import { type LogEntry, logEnd, readLog } from './kafka/log.js'
import { createLogWriter } from './kafka/log-writer.js'
import type { Log, LogItem, WritableLog } from './swap/logs.js'

export interface KafkaLogOptions<T> {
  readonly kafka: Kafka
  readonly topic: string
  readonly decode: (record: SourceRecord) => T | Promise<T>
  readonly onState: (state: string, detail: string) => void
  /** ends the log: what is waited for is given up */
  readonly signal: AbortSignal
  readonly fromBeginning?: boolean
}

/** A log that is only read. */
export const createKafkaLog = <T>(options: KafkaLogOptions<T>): Log<T> => {
  const { kafka, topic, decode, signal } = options
  const item = async (entry: LogEntry): Promise<LogItem<T>> => {
    if (entry.type !== 'entry') return { type: 'reached', offset: entry.offset }
    const { offset, timestamp } = entry.record
    try {
      return { type: 'entry', offset, timestamp, value: await decode(entry.record) }
    } catch (error) {
      const reason = error instanceof MillraceError ? error : new MillraceError('internal', String(error))
      return { type: 'unreadable', offset, error: reason }
    }
  }
  const items: Observable<LogItem<T>> = readLog(kafka, topic, {
    signal,
    onState: options.onState,
    fromBeginning: options.fromBeginning,
  }).pipe(concatMap(item))
  return { items, end: () => logEnd(kafka, topic, signal) }
}

export interface WritableKafkaLogOptions<T> extends KafkaLogOptions<T> {
  readonly encode: (value: T) => { readonly key: string; readonly value: Buffer | null }
}

/** A log that is also written; `close` waits for what was appended. */
export const createWritableKafkaLog = <T>(
  options: WritableKafkaLogOptions<T>,
): WritableLog<T> & { close(): Promise<void> } => {
  const writer = createLogWriter(options.kafka, options.topic)
  const append = async (value: T) => {
    const { key, value: bytes } = options.encode(value)
    const backoff = createBackoff(100, 2_000)
    for (let waited = false; ; waited = true) {
      try {
        await writer.append(key, bytes)
        if (waited) options.onState('running', options.topic)
        return
      } catch (error) {
        if (options.signal.aborted) throw error
        options.onState('waiting', lineOf(error))
        await backoff.wait(options.signal)
      }
    }
  }
  return { ...createKafkaLog(options), append, close: () => writer.close() }
}
