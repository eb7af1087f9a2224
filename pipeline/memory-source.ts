/**
 * A log and its consumer groups in memory, for tests and examples: what it does, the Kafka source does too, and one suite holds both to it.
 * Rebalances are eager, as there: everybody gives up everything, drains, and is dealt partitions anew.
 */
import { Observable, type Subscriber } from 'rxjs'
import type { Assignment, Covered, Fetched, Headers, Source, SourceRecord, TopicPartition } from '../stages/ports.js'
import { recordBytes } from '../stages/record-bytes.js'
import { type OpenAssignment, openAssignment } from './assignment.js'

export interface MemoryRecord {
  readonly key?: Buffer | null
  readonly value: Buffer | null
  readonly headers?: Headers
  /** milliseconds; now by default */
  readonly timestamp?: number
  /** at or past the end of the log, to leave a gap; the end by default */
  readonly offset?: number
}

export interface MemorySourceOptions {
  readonly groupId: string
  readonly drainTimeoutMs: number
  /** records handed on at once; 2,048 by default */
  readonly maxRecordsPerRun?: number
  readonly beforeRecords?: (partitions: readonly TopicPartition[]) => Promise<void>
}

export interface MemoryLog {
  readonly topic: string
  readonly partitions: number
  /** Returns the offset of the record. */
  append(partition: number, record: MemoryRecord): number
  /** A member of a group. Nothing to close but the source itself. */
  createSource(options: MemorySourceOptions): Source
  /** null: the group has committed nothing there */
  committed(groupId: string, partition: number): number | null
}

interface Member {
  revoke(): Promise<unknown>
  assign(partitions: readonly number[], epoch: number): void
}

interface Group {
  readonly members: Set<Member>
  readonly committed: Map<number, number>
  epoch: number
  /** the rebalance under way and all that were asked for: one after the other */
  balanced: Promise<void>
}

export const createMemoryLog = (topic: string, partitions: number): MemoryLog => {
  const logs: SourceRecord[][] = Array.from({ length: partitions }, () => [])
  const groups = new Map<string, Group>()
  let wake = deferred()

  const groupOf = (groupId: string): Group => {
    const group = groups.get(groupId) ?? {
      members: new Set(),
      committed: new Map(),
      epoch: 0,
      balanced: Promise.resolve(),
    }
    groups.set(groupId, group)
    return group
  }

  const rebalance = (group: Group): Promise<void> => {
    group.balanced = group.balanced.then(async () => {
      await Promise.all([...group.members].map((member) => member.revoke()))
      group.epoch += 1
      const members = [...group.members]
      members.forEach((member, index) => {
        const share = Array.from({ length: partitions }, (_, id) => id).filter((id) => id % members.length === index)
        if (share.length > 0) member.assign(share, group.epoch)
      })
    })
    return group.balanced
  }

  /** Feeds one partition to an assignment from the committed offset on, until the assignment closes. */
  const feed = async (opened: OpenAssignment, partition: number, from: number, maxRecords: number): Promise<void> => {
    let next = from
    while (!opened.closing.aborted) {
      const appended = wake.promise
      const records = logs[partition]!.filter(({ offset }) => offset >= next).slice(0, maxRecords)
      const last = records[records.length - 1]
      if (last === undefined) {
        await Promise.race([appended, aborted(opened.closing)])
        continue
      }
      const fetched: Fetched = {
        topic,
        partition,
        start: next,
        next: last.offset + 1,
        records,
        bytes: bytesOf(records),
      }
      if (!(await opened.push(fetched))) return
      next = fetched.next
    }
  }

  const join = <T>(
    options: MemorySourceOptions,
    pipe: (assignment: Assignment) => Observable<T>,
    subscriber: Subscriber<T>,
  ) => {
    const group = groupOf(options.groupId)
    let current: OpenAssignment | undefined
    let stopped: Promise<void> | undefined
    let failure: { readonly error: unknown } | undefined
    const fail = (error: unknown) => {
      failure ??= { error }
      void stop()
    }
    const member: Member = {
      revoke: async () => current?.close(options.drainTimeoutMs),
      assign: (ids, epoch) => {
        const owned = ids.map((partition) => ({ topic, partition }))
        const ready = options.beforeRecords?.(owned)
        ready?.catch(fail)
        const opened = openAssignment({
          epoch,
          partitions: owned,
          pipe,
          ready,
          commit: async (offsets: readonly Covered[]) => {
            for (const { partition, next } of offsets) group.committed.set(partition, next)
          },
          onValue: (value) => subscriber.next(value),
          onError: fail,
        })
        current = opened
        for (const id of ids)
          feed(opened, id, group.committed.get(id) ?? 0, options.maxRecordsPerRun ?? 2_048).catch(fail)
      },
    }
    const leave = async () => {
      await current?.close(options.drainTimeoutMs)
      group.members.delete(member)
      await rebalance(group)
      if (failure) subscriber.error(failure.error)
      else subscriber.complete()
    }
    const stop = () => {
      stopped ??= leave()
      return stopped
    }
    group.members.add(member)
    void rebalance(group)
    return { stop }
  }

  return {
    topic,
    partitions,
    append: (partition, { key = null, value, headers, timestamp = Date.now(), offset }) => {
      const log = logs[partition]!
      const end = (log[log.length - 1]?.offset ?? -1) + 1
      const at = Math.max(offset ?? end, end)
      log.push({ offset: at, timestamp, key, value, headers })
      wake.resolve()
      wake = deferred()
      return at
    },
    createSource: (options) => {
      let running: { stop(): Promise<void> } | undefined
      return {
        open: (pipe) =>
          new Observable((subscriber) => {
            const joined = join(options, pipe, subscriber)
            running = joined
            return () => void joined.stop()
          }),
        stop: async () => running?.stop(),
      }
    },
    committed: (groupId, partition) => groupOf(groupId).committed.get(partition) ?? null,
  }
}

const bytesOf = (records: readonly SourceRecord[]) => records.reduce((sum, record) => sum + recordBytes(record), 0)

const deferred = () => {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((given) => {
    resolve = given
  })
  return { promise, resolve }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
