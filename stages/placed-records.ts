/**
 * Records that lie in a larger memory, which a fetch or an encoder has filled for many of them at once. On the hot path nobody asks for their
 * keys and values as buffers of their own: a view costs more to make, and to clear away, than all the rest of a record.
 */
import type { LentMemory } from './lent-memory.js'
import type { Headers, OutgoingRecord, SourceRecord } from './ports.js'

/** What the records of one batch share. */
export interface BatchMemory {
  /** holds keys and values; positions count from its first byte */
  readonly bytes: Buffer
  readonly baseOffset: number
  /** milliseconds since the epoch */
  readonly baseTimestamp: number
  /** of all records, where the broker has stamped them */
  readonly appendTime: number | undefined
  /** what `bytes` is part of, when that is used again: each record holds one of it */
  readonly loan?: LentMemory | undefined
}

/** A producer may write any 64 bits for a time; what is no exact number comes out as the last that is. */
const withinReason = (time: number): number =>
  Math.max(-Number.MAX_SAFE_INTEGER, Math.min(time, Number.MAX_SAFE_INTEGER))

/** Of a record that is not in use. */
const nowhere: BatchMemory = { bytes: Buffer.alloc(0), baseOffset: 0, baseTimestamp: 0, appendTime: undefined }

/** A fetched record. A length of -1 stands for null. */
export class PlacedRecord implements SourceRecord {
  constructor(
    public batch: BatchMemory,
    private offsetDelta: number,
    private timeDelta: number,
    public headers: Headers | undefined,
    public keyAt: number,
    public keyLength: number,
    public valueAt: number,
    public valueLength: number,
  ) {}

  /** Makes it another record. */
  place(
    batch: BatchMemory,
    offsetDelta: number,
    timeDelta: number,
    headers: Headers | undefined,
    keyAt: number,
    keyLength: number,
    valueAt: number,
    valueLength: number,
  ): void {
    this.batch = batch
    this.offsetDelta = offsetDelta
    this.timeDelta = timeDelta
    this.headers = headers
    this.keyAt = keyAt
    this.keyLength = keyLength
    this.valueAt = valueAt
    this.valueLength = valueLength
  }

  /** Lets go of its batch, until it is placed again. Throws `RangeError` when it has none. */
  clear(): void {
    if (this.batch === nowhere) throw new RangeError('a record was given back twice')
    this.batch = nowhere
    this.headers = undefined
  }

  get offset(): number {
    return this.batch.baseOffset + this.offsetDelta
  }

  get timestamp(): number {
    return withinReason(this.batch.appendTime ?? this.batch.baseTimestamp + this.timeDelta)
  }

  get key(): Buffer | null {
    return viewOf(this.batch.bytes, this.keyAt, this.keyLength)
  }

  get value(): Buffer | null {
    return viewOf(this.batch.bytes, this.valueAt, this.valueLength)
  }
}

/** Of a reply that is not in use. */
const nothing = new PlacedRecord(nowhere, 0, 0, undefined, 0, -1, 0, -1)

/** What is published for an input: its key, headers and timestamp, and a value of its own. */
export class Reply implements OutgoingRecord {
  constructor(
    public input: SourceRecord,
    /** holds the value */
    public memory: Buffer,
    public valueAt = 0,
    public valueLength = memory.length,
  ) {}

  /** Makes it another record. */
  place(input: SourceRecord, memory: Buffer, valueAt: number, valueLength: number): void {
    this.input = input
    this.memory = memory
    this.valueAt = valueAt
    this.valueLength = valueLength
  }

  /** Lets go of what it points to, until it is placed again. Throws `RangeError` when it has nothing. */
  clear(): void {
    if (this.input === nothing) throw new RangeError('a reply was given back twice')
    this.input = nothing
    this.memory = nowhere.bytes
  }

  get key(): Buffer | null {
    return this.input.key
  }

  get value(): Buffer {
    return this.memory.subarray(this.valueAt, this.valueAt + this.valueLength)
  }

  get headers(): Headers | undefined {
    return this.input.headers
  }

  get timestamp(): number {
    return this.input.timestamp
  }
}

const viewOf = (bytes: Buffer, at: number, length: number): Buffer | null =>
  length < 0 ? null : bytes.subarray(at, at + length)
