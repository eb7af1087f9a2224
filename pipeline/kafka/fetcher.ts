/**
 * The fetches of one assignment. What a fetch brought waits as bytes and is decoded a run at a time, when the pipe has room for it; meanwhile
 * the next fetch is under way. kafkajs keeps the membership: it calls `round` over and over, and sends the heartbeats between.
 */
import { setImmediate } from 'node:timers/promises'
import { FewMembers } from '../../stages/few-entries.js'
import type { LentMemory } from '../../stages/lent-memory.js'
import type { Fetched, TopicPartition } from '../../stages/ports.js'
import { recordBytes } from '../../stages/record-bytes.js'
import type { OpenAssignment } from '../assignment.js'
import { pause, settles } from '../backoff.js'
import { type FetchLimits, type FetchWanted, protocolError } from './broker-requests.js'
import type { FetchedBatches } from './fetch-response.js'
import { type FetchedRecords, openFetched } from './fetched-records.js'

export interface FetcherOptions {
  readonly topic: string
  readonly assignment: OpenAssignment
  readonly maxRecordsPerRun: number
  readonly limits: FetchLimits
  /** how long a round may wait for something to do */
  readonly idleMs: number
  /** Where the partitions begin; asked once the assignment is ready. */
  readonly positions: () => Promise<ReadonlyMap<number, number>>
  /** Where a partition goes on whose offset the broker does not have. */
  readonly afterLoss: (partition: number) => Promise<number>
  /** offsets `[from, to)` of the partition are gone from the broker */
  readonly onLost: (partition: TopicPartition, from: number, to: number) => void
}

export type Fetch = (wanted: readonly FetchWanted[], limits: FetchLimits) => Promise<readonly FetchedBatches[]>

/** Lives as long as its assignment. */
export interface Fetcher {
  /**
   * At most one fetch of these partitions, which one broker leads. Returns before what it brought is handed on, and within `idleMs` when
   * there is nothing to do. Rejects for what the fetch, or handing on, has met.
   */
  round(partitions: readonly number[], fetch: Fetch): Promise<void>
}

interface Lane {
  readonly partition: number
  /** the next offset to fetch */
  position: number
  /** where the next run begins; undefined before the first fetch has brought something */
  covered: number | undefined
  /** fetched and not yet handed on */
  readonly waiting: (FetchedRecords & { readonly bytes: number; readonly loan: LentMemory | undefined })[]
  /** when it was last served, in rounds: the broker fills its answer in the order of the request */
  served: number
}

/** handed on in one turn of the event loop: some milliseconds of work */
const recordsPerTurn = 8_192
/** One that is handed on and one that follows it. */
const maxWaiting = 2
/** how soon idle partitions are asked again while others are not to be asked */
const shortWaitMs = 5
const offsetOutOfRange = 1

export const createFetcher = (options: FetcherOptions): Fetcher => {
  const { topic, assignment, limits } = options
  const { closing } = assignment
  const lanes = new Map<number, Lane>()
  /** lanes with something waiting, in turn */
  const turns: Lane[] = []
  const sleepers = new FewMembers<AbortController>()
  let waitingBytes = 0
  /** records handed on since the event loop was last let turn */
  let inTurn = 0
  let rounds = 0
  let beginning: Promise<void> | undefined
  let begun = false
  let pumping = false
  let failure: { readonly error: unknown } | undefined

  const begin = async () => {
    await assignment.ready
    for (const [partition, position] of await options.positions())
      lanes.set(partition, { partition, position, covered: undefined, waiting: [], served: 0 })
    begun = true
  }

  const wake = () => {
    for (const sleeper of sleepers) sleeper.abort()
  }
  closing.addEventListener('abort', wake, { once: true })
  /** Until something was handed on, or `ms` are over. */
  const sleep = async (ms: number) => {
    const sleeper = new AbortController()
    sleepers.add(sleeper)
    await pause(ms, sleeper.signal)
    sleepers.delete(sleeper)
  }

  /** Hands on the next run of the lane: false when the assignment has ended. */
  const serve = async (lane: Lane): Promise<boolean> => {
    const fetched = lane.waiting[0]!
    const records = await fetched.reader.read(options.maxRecordsPerRun)
    const last = records.length < options.maxRecordsPerRun
    if (records.length > 0) {
      const start = lane.covered ?? records[0]!.offset
      const next = last ? fetched.next : records[records.length - 1]!.offset + 1
      let bytes = 0
      for (const record of records) bytes += recordBytes(record)
      const run: Fetched = { topic, partition: lane.partition, start, next, records, bytes }
      if (!(await assignment.push(run))) return false
      lane.covered = next
      inTurn += records.length
    }
    if (last) {
      lane.waiting.shift()
      fetched.loan?.release(1)
      waitingBytes -= fetched.bytes
      wake()
    }
    return true
  }

  const pump = async () => {
    try {
      for (let lane = turns.shift(); lane !== undefined; lane = turns.shift()) {
        if (!(await serve(lane))) return
        if (lane.waiting.length > 0) turns.push(lane)
        // All that was fetched would else be decoded in one turn of the event loop: what is scored and acknowledged meanwhile would wait for it.
        if (turns.length === 0 || inTurn < recordsPerTurn) continue
        inTurn = 0
        await setImmediate()
      }
    } catch (error) {
      failure ??= { error }
      wake()
    } finally {
      pumping = false
    }
  }

  const goOnAfterLoss = async (lane: Lane) => {
    const from = lane.position
    const to = await options.afterLoss(lane.partition)
    // Only a log made anew is behind itself: the member starts over, and with it the coverage.
    if (lane.covered !== undefined && to < lane.covered)
      throw new Error(`${topic} ${lane.partition} went back behind offset ${lane.covered}`)
    lane.position = to
    options.onLost({ topic, partition: lane.partition }, from, to)
  }

  /** True when it brought something. */
  const accept = async (lane: Lane, offset: number, answer: FetchedBatches): Promise<boolean> => {
    // Asked twice, while the partition moved from one broker to another.
    if (lane.position !== offset) return false
    if (answer.errorCode === offsetOutOfRange) await goOnAfterLoss(lane)
    else if (answer.errorCode !== 0) throw protocolError(answer.errorCode)
    const from = lane.position
    const fetched = await openFetched(answer, from)
    if (!fetched || lane.position !== from) return false
    lane.covered ??= lane.position
    lane.position = fetched.next
    lane.served = rounds
    lane.waiting.push({ reader: fetched.reader, next: fetched.next, bytes: answer.bytes.length, loan: answer.loan })
    waitingBytes += answer.bytes.length
    if (lane.waiting.length === 1) turns.push(lane)
    if (!pumping) {
      pumping = true
      void pump()
    }
    return true
  }

  const round = async (partitions: readonly number[], fetch: Fetch): Promise<void> => {
    // Trying again would meet it again: the member starts over.
    if (failure) throw Object.assign(failure.error as Error, { retriable: false })
    if (closing.aborted) return pause(limits.maxWaitMs)
    if (!begun) {
      beginning ??= begin().finally(() => {
        beginning = undefined
      })
      const started = beginning
      if (!(await settles(started, options.idleMs))) return
      await started
    }
    const mine = partitions.map((partition) => lanes.get(partition)).filter((lane) => lane !== undefined)
    const hungry = mine.filter(({ waiting }) => waiting.length < maxWaiting)
    if (hungry.length === 0 || waitingBytes >= limits.maxBytes) return sleep(options.idleMs)
    hungry.sort((one, other) => one.served - other.served)
    rounds += 1
    // Only a fetch of all may wait at the broker: it would keep a partition that has become hungry meanwhile from being asked.
    const all = hungry.length === mine.length
    const wanted = hungry.map(({ partition, position }) => ({ partition, offset: position }))
    const answers = await fetch(wanted, all ? limits : { ...limits, maxWaitMs: 0 })
    if (closing.aborted) return
    const offsets = new Map(wanted.map(({ partition, offset }) => [partition, offset]))
    let brought = 0
    for (const answer of answers) {
      const [lane, offset] = [lanes.get(answer.partition), offsets.get(answer.partition)]
      if (lane && offset !== undefined && (await accept(lane, offset, answer))) brought += 1
    }
    if (brought === 0 && !all) await sleep(shortWaitMs)
  }

  return { round }
}
