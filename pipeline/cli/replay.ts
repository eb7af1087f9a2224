/** Dead letters on their way back to the input: each once, however often that is asked for and wherever it was cut short. */
import type { Kafka } from 'kafkajs'
import { MillraceError } from '../../stages/errors.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import { recordBytes } from '../../stages/record-bytes.js'
import { type DeadLetter, placeText, replayHeaders, replayOf } from '../dead-letter.js'
import { partitionCounts } from '../kafka/admin.js'
import { describeKafkaError } from '../kafka/errors.js'
import { readTopic } from '../kafka/topic-reader.js'
import { createTransactionalProducer } from '../kafka/transactional-producer.js'
import { type DeadLetterFilter, readDeadLetters } from './dead-letters.js'

export interface ReplayOptions {
  readonly kafka: Kafka
  readonly input: string
  readonly deadLetter: string
  readonly groupId: string
  readonly filter: DeadLetterFilter
  /** counts, and sends nothing */
  readonly dryRun: boolean
  readonly signal: AbortSignal
  /** how many were sent so far */
  readonly onProgress: (records: number) => void
}

export interface Replayed {
  /** sent, or to be sent */
  readonly records: number
  /** that an earlier replay has sent */
  readonly already: number
  /** of other topics */
  readonly foreign: number
}

/** One transaction has so many at most, and so many bytes. */
const batchRecords = 1_000
const batchBytes = 512 * 1024

const timeoutMs = 60_000

/**
 * Records go back with their bytes, key, timestamp and own headers, to the partition they came from, and carry `replayHeaders`: whoever
 * replays next finds them in the input and leaves their letters out. Sent in transactions under one id: who replays at the same time is
 * fenced, and what a killed replay had not committed is not seen. Interrupted, it resolves with what was sent. Errors: `topic-missing`,
 * `producer-fenced`, and whatever keeps Kafka from answering; after any of them it may be run again.
 */
export const replayDeadLetters = async (options: ReplayOptions): Promise<Replayed> => {
  const { kafka, input, groupId, dryRun, signal } = options
  const partitions = (await partitionCounts(kafka, [input])).get(input)
  if (partitions === undefined) throw new MillraceError('topic-missing', input)
  const transactionalId = `${groupId}-replay`
  const producer = createTransactionalProducer({ kafka, transactionalId, timeoutMs })
  try {
    // Before the input is read: nobody else's records come after that.
    if (!dryRun) await producer.open()
    return await replay(options, await replayedAlready(options), async (batch) => {
      const chunks = [...batch].map(([partition, records]) => ({ topic: input, partition, records, bytes: 0 }))
      await producer.send(chunks)
      await producer.commit()
    })
  } catch (error) {
    const described = describeKafkaError(error)
    if (described.code !== 'producer-fenced') throw described
    throw new MillraceError('producer-fenced', 'another replay of this deployment has begun', { cause: error })
  } finally {
    await producer.drop()
  }

  async function replay(
    { deadLetter, filter, onProgress }: ReplayOptions,
    already: Replays,
    send: (batch: ReadonlyMap<number, readonly OutgoingRecord[]>) => Promise<void>,
  ): Promise<Replayed> {
    const counts = { records: 0, already: 0, foreign: 0 }
    let batch = new Map<number, OutgoingRecord[]>()
    let [records, bytes] = [0, 0]
    const flush = async () => {
      if (records > 0 && !dryRun) await send(batch)
      counts.records += records
      onProgress(counts.records)
      batch = new Map()
      ;[records, bytes] = [0, 0]
    }
    const reading = { from: 'beginning', follow: false, signal } as const
    for await (const letter of readDeadLetters(kafka, deadLetter, reading, filter)) {
      if (signal.aborted) break
      if (letter.topic !== input || letter.partition >= partitions!) counts.foreign += 1
      else if (already.has(letter)) counts.already += 1
      else {
        const record = replayed(letter, deadLetter)
        const size = recordBytes(record)
        if (records >= batchRecords || (records > 0 && bytes + size > batchBytes)) await flush()
        const lane = batch.get(letter.partition)
        if (lane) lane.push(record)
        else batch.set(letter.partition, [record])
        records += 1
        bytes += size
      }
    }
    if (!signal.aborted) await flush()
    return counts
  }
}

const replayed = (letter: DeadLetter, deadLetter: string): OutgoingRecord => {
  const { key, value, timestamp, offset } = letter.record
  const headers = {
    ...letter.headers,
    [replayHeaders.of]: placeText({ topic: deadLetter, partition: letter.letterPartition, offset }),
    [replayHeaders.input]: placeText(letter),
    [replayHeaders.at]: new Date().toISOString(),
  }
  return { key, value, timestamp, headers }
}

interface Replays {
  has(letter: DeadLetter): boolean
}

/** What stands in the input after the first record that became a letter, and in letters of records that failed again. */
const replayedAlready = async ({ kafka, input, deadLetter, signal }: ReplayOptions): Promise<Replays> => {
  /** by partition of the dead-letter topic */
  const offsets = new Map<number, Set<number>>()
  const add = (place: ReturnType<typeof replayOf>) => {
    if (place?.topic !== deadLetter) return
    const known = offsets.get(place.partition)
    if (known) known.add(place.offset)
    else offsets.set(place.partition, new Set([place.offset]))
  }
  /** by partition of the input, the offset from which a replay may stand there */
  const from = new Map<number, number>()
  const reading = { from: 'beginning', follow: false, signal } as const
  for await (const letter of readDeadLetters(kafka, deadLetter, reading)) {
    add(letter.replayOf)
    if (letter.topic === input)
      from.set(letter.partition, Math.min(from.get(letter.partition) ?? Number.POSITIVE_INFINITY, letter.offset + 1))
  }
  if (from.size > 0)
    for await (const { records } of readTopic(kafka, input, {
      from,
      partitions: [...from.keys()],
      follow: false,
      signal,
    }))
      for (const { headers } of records) add(replayOf(headers))
  return { has: ({ letterPartition, record }) => offsets.get(letterPartition)?.has(record.offset) ?? false }
}
