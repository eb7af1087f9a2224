/**
 * The shapes that flow through the pipe, and the interfaces (ports) behind which Kafka, Avro and ONNX stand.
 * Stages know only this file; adapters implement it; `pipeline/` joins the two.
 *
 * What flows is batches, never single records: arrays of records beside typed columns, so that no stage pays per record
 * for a closure, a promise or an emission.
 */
import type { Observable } from 'rxjs'
import type { RejectCode } from './errors.js'

// ---------------------------------------------------------------- records

export type Headers = Record<string, Buffer | string | (Buffer | string)[] | undefined>

/**
 * One Kafka record. `offset` and `timestamp` (milliseconds) are numbers: both stay below 2^53. Key, value and headers are views of memory that
 * is used again once the record has left the pipe (`refund`): who keeps some of it for longer keeps a copy.
 */
export interface SourceRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Headers | undefined
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/**
 * Consecutive records of one partition. They cover the offsets `[start, next)`: `start` is where the run before ended, so gaps
 * (compaction, transaction markers) belong to the run that follows them and coverage can be checked by equality.
 */
export interface Fetched extends TopicPartition {
  readonly start: number
  readonly next: number
  readonly records: readonly SourceRecord[]
  /** bytes of keys, values and headers: what the credit was given for */
  readonly bytes: number
}

/** A record that cannot be scored: a value in the pipe, which ends on the dead-letter topic. */
export interface Rejected {
  readonly code: RejectCode
  /** one line for a person */
  readonly reason: string
}

/** A record whose result would come, or came, after its firm deadline: it ends on the late topic instead of the dead letters. */
export interface Missed extends Rejected {
  readonly code: 'deadline-missed'
  /** where that was found */
  readonly stage: 'admission' | 'inference'
  /** milliseconds since the epoch */
  readonly deadline: number
  readonly missedByMs: number
}

/** What a deployment promises of every record, so many milliseconds from its timestamp. */
export interface DeadlineRule {
  /** soft: what is late says so; firm: it is not scored */
  readonly class: 'soft' | 'firm'
  readonly ms: number
}

// ---------------------------------------------------------------- tensors

export type TensorType =
  | 'float32'
  | 'float64'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'uint16'
  | 'bool'
  | 'string'
export type TensorData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint16Array
  | string[]

/** Where one field of the reader schema goes: `width` consecutive columns of its tensor. */
export interface FieldBinding {
  /** field name, or a dotted path into nested records */
  readonly field: string
  /** 1, or the length of the array field */
  readonly width: number
  /** stands in for null; without it null is rejected (`field-missing`) */
  readonly default?: number | boolean | string
}

/** One input tensor of the model: how a row of it is filled from the fields of a record. */
export interface TensorPlan {
  readonly tensor: string
  readonly type: TensorType
  /** dimensions of one row, without the batch dimension: [] for a scalar, [30], [3, 224, 224] */
  readonly shape: readonly number[]
  /** product of shape; the sum of the fields' widths */
  readonly width: number
  readonly fields: readonly FieldBinding[]
  /** whether NaN and infinities may pass (models that read NaN as "missing"); otherwise `not-a-number` */
  readonly allowNaN: boolean
}

/** What decoding has to know of a bundle. One frozen object per loaded bundle: decoders key their caches on its identity. */
export interface ScoringPlan {
  /** Avro schema (JSON) of what this model needs of a record */
  readonly readerSchema: unknown
  readonly inputs: readonly TensorPlan[]
}

/** Rows ready for a model: `columns[i]` holds `count * inputs[i].width` elements, row after row. */
export interface Rows {
  readonly count: number
  readonly columns: readonly TensorData[]
}

/** The graphs that a bundle may have, in the order in which they run. */
export type ModelStage = 'preprocess' | 'inference' | 'postprocess'

/** What one call took of a model, in milliseconds, by the stages that it has. */
export interface Spent {
  readonly rows: number
  readonly ms: Readonly<Partial<Record<ModelStage, number>>>
}

/** What a model said of `count` rows. */
export interface Outputs {
  readonly count: number
  /** one per row; null for a model without classes */
  readonly labels: readonly string[] | null
  /** `count * scoresWidth`, row after row */
  readonly scores: Float32Array
  readonly scoresWidth: number
  /** other named outputs: `count * width`, row after row */
  readonly values: ReadonlyMap<string, { readonly data: Float32Array; readonly width: number }>
  /** of the call that they come from, where that is one */
  readonly spent?: Spent
}

/**
 * A loaded model. `score` may be called again before an earlier call has settled.
 * Rejects with `InferenceError` when these rows are at fault (the caller may bisect), with anything else when the scorer is.
 */
export interface Scorer {
  score(rows: Rows): Promise<Outputs>
  /** Waits for running calls, then frees the session and its thread. Idempotent. */
  close(): Promise<void>
}

/** The model failed on these rows. */
export class InferenceError extends Error {
  override readonly name = 'InferenceError'
}

/** What half of some runs kept below, and 99 of 100, in milliseconds. */
export interface CostTimes {
  readonly p50Ms: number
  readonly p99Ms: number
}

/** What scoring so many rows took before a model scored, in so many runs. */
export interface MeasuredCost extends CostTimes {
  readonly rows: number
  readonly runs: number
  /** what each stage took of it */
  readonly stages?: Readonly<Partial<Record<ModelStage, CostTimes>>>
}

/** What a bundle asks of one of its stages: by ascending number of rows, how many milliseconds a batch may take. */
export interface StageBudget {
  readonly stage: ModelStage
  /** hard is not granted to anybody */
  readonly class: 'soft' | 'firm' | 'hard'
  readonly table: readonly { readonly rows: number; readonly ms: number }[]
}

/** A bundle that is loaded and warm. Whoever has it loaded closes the scorer. */
export interface LoadedModel {
  /** name@version */
  readonly ref: string
  readonly digest: string
  readonly plan: ScoringPlan
  readonly scorer: Scorer
  /** what was found out when it was verified, in one line */
  readonly findings?: string
  /** by batch size, as measured when it was verified */
  readonly costs?: readonly MeasuredCost[]
  /** what it asks of its stages */
  readonly budgets?: readonly StageBudget[]
}

export interface ModelLoader {
  /**
   * Reads, verifies and loads a bundle; `onStage` tells how far it is. `settled`: others score with it, or have agreed to, so that it is
   * refused only where it cannot run here. Rejects with a `MillraceError` that says why it cannot be used.
   */
  load(
    ref: string,
    digest?: string,
    onStage?: (stage: 'loading' | 'verifying') => void,
    settled?: boolean,
  ): Promise<LoadedModel>
}

/** A bundle that scores under a number. Whoever holds records for it holds a lease; it is released when the last is given back. */
export interface Generation {
  readonly number: number
  /** name@version */
  readonly model: string
  readonly digest: string
  readonly plan: ScoringPlan
  readonly scorer: Scorer
  /** by batch size, as measured when it was verified */
  readonly costs?: readonly MeasuredCost[]
  /** what the bundle asks of its stages */
  readonly budgets?: readonly StageBudget[]
  /** scores a share of the keys instead, under the same number */
  readonly canary?: { readonly generation: Generation; readonly percent: number }
  /** scores everything too, for comparison: what it says is not published */
  readonly shadow?: Generation
  /** in whose place it answers, and under whose number: of a fallback alone */
  readonly standsInFor?: Generation
  /** Takes one lease. */
  retain(): void
  /** Gives one lease back. */
  release(): void
}

// ---------------------------------------------------------------- what the stages hand on

/** Records of one partition and one generation. The rows are those of the records that are not rejected, in order. Holds one lease. */
export interface Decoded extends Fetched {
  readonly generation: Generation
  /** by index into `records` */
  readonly rejected: ReadonlyMap<number, Rejected>
  readonly rows: Rows
  /** one per row, when the configuration asks for echoes */
  readonly echo: readonly Readonly<Record<string, string>>[] | undefined
}

export type CloseReason = 'records' | 'bytes' | 'delay' | 'idle' | 'deadline' | 'generation' | 'end'

/** What is scored together: runs of any partitions, one generation; in a canary, parts of both its models. */
export interface MicroBatch {
  /** that of the first part */
  readonly generation: Generation
  readonly parts: readonly Decoded[]
  /** rows over all parts */
  readonly rows: number
  readonly closedBy: CloseReason
}

/** One model's: `outputs` has one entry per row, parts one after the other; rows in `failed` have none that mean anything. */
export interface Scored extends MicroBatch {
  readonly outputs: Outputs
  readonly failed: ReadonlyMap<number, Rejected>
  /** rows that missed a soft deadline, where there is one */
  readonly late?: ReadonlySet<number>
  /** milliseconds since the epoch */
  readonly scoredAt: number
}

export type OutputKind = 'predictions' | 'deadLetter' | 'late' | 'shadow'

export interface OutgoingRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Headers | undefined
  readonly timestamp: number
}

/** Records for one partition of one output topic, in order. */
export interface Outgoing {
  readonly kind: OutputKind
  readonly partition: number
  readonly records: readonly OutgoingRecord[]
}

/** Offsets `[start, next)` of an input partition. */
export interface Covered extends TopicPartition {
  readonly start: number
  readonly next: number
}

/** A scored batch, ready to publish; once published, what may be committed and refunded. */
export interface Encoded {
  readonly batch: Scored
  readonly outgoing: readonly Outgoing[]
  readonly covered: readonly Covered[]
  readonly records: number
  readonly bytes: number
}

/** What the two models of a shadow said of one record. */
export interface ShadowPair {
  readonly partition: number
  readonly offset: number
  readonly label: string | null
  readonly candidateLabel: string | null
  /** whether the labels are the same; without labels, whether `distance` is within 0.01 */
  readonly agree: boolean
  /** the largest difference between two scores of the same place; NaN where the models do not give the same number of them */
  readonly distance: number
}

/** The pairs of one batch; records that one of the models could not score are counted in `failed`. */
export interface ShadowComparison {
  readonly topic: string
  readonly active: Generation
  readonly candidate: Generation
  readonly pairs: readonly ShadowPair[]
  /** the candidate could not decode or score these, the active model could */
  readonly failed: number
}

// ---------------------------------------------------------------- ports

/** Credits: what may be in the pipe at once. The source takes before it hands on; `refund` gives back. */
export interface Credits {
  /** Resolves once there is room. A request larger than the whole is granted when nothing else is out. */
  take(records: number, bytes: number, signal?: AbortSignal): Promise<void>
  refund(records: number, bytes: number): void
}

/** Partitions that this worker owns for a while. The pipe built on it lives exactly as long. */
export interface Assignment {
  /** grows with each assignment of this worker */
  readonly epoch: number
  readonly partitions: readonly TopicPartition[]
  /** Completes when the partitions are revoked or the source stops; the pipe then drains. Subscribe once. */
  records(credits: Credits): Observable<Fetched>
  /** Commits `next` of each. Resolves when the broker has it; a commit for a past assignment is dropped, not an error. */
  commit(offsets: readonly Covered[]): Promise<void>
}

export interface Source {
  /**
   * Joins the group and subscribes to `pipe(assignment)` for every assignment. On revocation it completes the records and waits for the
   * pipe to complete, at most `drainTimeoutMs`, then unsubscribes: what was not committed is read again by the next owner.
   * Unsubscribing from the result stops the same way; it errors only for what waiting cannot mend.
   */
  open<T>(pipe: (assignment: Assignment) => Observable<T>): Observable<T>
  /** Stops: completes the records, waits for the pipe to drain (at most `drainTimeoutMs`), leaves the group. Resolves when done. */
  stop(): Promise<void>
}

/** Rows of a run of records; `rejected` by index into the records given. */
export interface DecodedRows {
  readonly rows: Rows
  readonly rejected: ReadonlyMap<number, Rejected>
  readonly echo: readonly Readonly<Record<string, string>>[] | undefined
}

export interface RecordDecoder {
  /** Synchronous when every writer schema is known; a promise while one is fetched. Never rejects for a bad record. */
  decode(records: readonly SourceRecord[], plan: ScoringPlan): DecodedRows | Promise<DecodedRows>
}

export interface PredictionEncoder {
  /**
   * What to publish for rows `[firstRow, firstRow + part.rows.count)` of `scored`, one per row: the `Prediction` bytes (Confluent-framed)
   * with key, headers and timestamp of the input; a `Rejected` where a prediction cannot be encoded. Entries of failed rows are not looked at.
   */
  encode(scored: Scored, part: Decoded, firstRow: number): (OutgoingRecord | Rejected)[]
}

export interface LateEncoder {
  /** The `Late` bytes (Confluent-framed) of a record. `at`: when it was found late, milliseconds since the epoch. */
  encode(record: SourceRecord, part: Decoded, missed: Missed, at: number): Buffer
}

export interface Publisher {
  /**
   * Resolves once every record is acknowledged by all in-sync replicas. Waits out infrastructure; keeps order per partition. Keeps no record
   * beyond that: they are used again.
   */
  publish(outgoing: readonly Outgoing[]): Promise<void>
}

/** Publishes and commits in one: all of a range, or nothing of it. */
export interface Transactor {
  /** Resolves once the transaction that holds it is committed, and keeps no record beyond that. Ranges of a partition are given in order and without gaps. */
  publish(range: { readonly covered: Covered; readonly outgoing: readonly Outgoing[] }): Promise<void>
}

export interface Choice {
  readonly generation: Generation
  /** the first offset after the one asked for that another generation may score; Infinity while no switch is known */
  readonly until: number
}

/** Which generation scores a record: a function of the partition and the offset alone. */
export interface ModelChoice {
  /**
   * The generation of `offset`. Synchronous when it is loaded; a promise while it is not (a bundle is being read back, or no model was ever
   * named), which is settled when it is. Asked in the order of the offsets of a partition; the answer may fence a new generation at `offset`.
   */
  choose(topic: string, partition: number, offset: number): Choice | Promise<Choice>
}

/** Whether the fence of what is about to be published is written. */
export interface FenceGate {
  /** Resolves when the fence is in the log; undefined when it is already. */
  written(topic: string, partition: number, generation: Generation): Promise<void> | undefined
}
