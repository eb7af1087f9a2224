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
  readonly loan?: LentMemory
}

/** A producer may write any 64 bits for a time; what is no exact number comes out as the last that is. */
const withinReason = (time: number): number =>
  Math.max(-Number.MAX_SAFE_INTEGER, Math.min(time, Number.MAX_SAFE_INTEGER))

/** A fetched record. A length of -1 stands for null. */
export class PlacedRecord implements SourceRecord {
  constructor(
    readonly batch: BatchMemory,
    private readonly offsetDelta: number,
    private readonly timeDelta: number,
    readonly headers: Headers | undefined,
    readonly keyAt: number,
    readonly keyLength: number,
    readonly valueAt: number,
    readonly valueLength: number,
  ) {}

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

/** What is published for an input: its key, headers and timestamp, and a value of its own. */
export class Reply implements OutgoingRecord {
  constructor(
    readonly input: SourceRecord,
    /** holds the value */
    readonly memory: Buffer,
    readonly valueAt = 0,
    readonly valueLength = memory.length,
  ) {}

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
