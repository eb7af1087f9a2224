/** The pipe: everything that happens to a record between Kafka and Kafka, in the order in which it happens. */
import { finalize, identity, type MonoTypeOperatorFunction, type Observable, tap } from 'rxjs'
import { awaitFences } from '../stages/await-fences.js'
import { commit } from '../stages/commit.js'
import { createCredits } from '../stages/credits.js'
import { decode } from '../stages/decode.js'
import { encode } from '../stages/encode.js'
import { createIdleness } from '../stages/idleness.js'
import { infer } from '../stages/infer.js'
import { createLeases } from '../stages/leases.js'
import { microBatch } from '../stages/micro-batch.js'
import type {
  Assignment,
  Covered,
  Encoded,
  LateEncoder,
  PredictionEncoder,
  Publisher,
  RecordDecoder,
  Transactor,
} from '../stages/ports.js'
import { publish } from '../stages/publish.js'
import { refund } from '../stages/refund.js'
import { shadow } from '../stages/shadow.js'
import { transact } from '../stages/transact.js'
import type { Config } from './config.js'
import { creditLimitsOf } from './credit-limits.js'
import { type Deadlines, deadlineStages } from './deadline-stages.js'
import { defaultRecordsPerRun } from './kafka/source.js'
import type { PipeObserver } from './pipe-observer.js'
import type { ShadowReport } from './shadow-report.js'
import type { Swap } from './swap/swap.js'

export interface PipeParts {
  /** Asked when a pipe is built, and for `batch` again with every batch: its limits may change while the pipe runs. */
  readonly config: () => Pick<Config, 'batch' | 'credits' | 'inference' | 'maxOutputBytes' | 'commitIntervalMs'>
  readonly swap: Pick<Swap, 'choiceFor' | 'written'>
  readonly decoder: RecordDecoder
  readonly encoder: PredictionEncoder
  /** where results have a deadline; a firm one needs the encoder besides */
  readonly deadlines?: Deadlines
  readonly lateEncoder?: LateEncoder
  /** `publish` at least once, or `transact` exactly once */
  readonly output: { readonly publisher: Publisher } | { readonly transactor: Transactor }
  readonly observer: PipeObserver
  /** ends the pipe when too many records cannot be scored */
  readonly letterLimit?: MonoTypeOperatorFunction<Encoded>
  readonly shadows: Pick<ShadowReport, 'onCompared' | 'onSkipped'>
}

/** So many records may wait for a commit: at full speed about as many as come in an interval. */
const maxCommitRecords = (credits: Config['credits']) => 4 * credits.records

/** How many records of a partition may be published and not committed: those, and what is in the pipe besides. */
export const uncommittedRecords = ({ credits, delivery }: Pick<Config, 'credits' | 'delivery'>): number =>
  delivery === 'exactly-once' ? 0 : maxCommitRecords(credits) + Math.max(credits.records, defaultRecordsPerRun)

/** One pipe per assignment: it is built when partitions are assigned, drains when they are revoked, and holds nothing afterwards. */
export const createPipe =
  (parts: PipeParts) =>
  (assignment: Assignment): Observable<Encoded> => {
    const { config, swap, decoder, encoder, deadlines, lateEncoder, output, observer, shadows } = parts
    const { letterLimit = identity } = parts
    const { batch, inference, maxOutputBytes, commitIntervalMs, credits: creditLimits } = config()
    const credits = createCredits(
      creditLimitsOf({ credits: creditLimits, delivery: 'transactor' in output ? 'exactly-once' : 'at-least-once' }),
    )
    const leases = createLeases()
    const idleness = createIdleness()
    const choice = swap.choiceFor(assignment.partitions)
    const committer = async (offsets: readonly Covered[]) => {
      await assignment.commit(offsets)
      observer.committed(offsets)
    }
    const limits = () => config().batch
    const { concurrency } = inference
    const timed = deadlines && deadlineStages(deadlines, { decoder, limits, concurrency, leases, idleness })
    const scored = assignment
      .records(credits)
      .pipe(
        tap(observer.fetched),
        tap(choice.arrived),
        decode({ choice, decoder: timed?.decoder ?? decoder, leases, maxRecords: batch.maxRecords }),
        tap(observer.decoded),
        timed?.gather ?? microBatch({ limits, leases, idleness }),
        tap(observer.batched),
        infer({ concurrency, idleness, ...(timed && { concurrency: timed.concurrency, onDone: timed.onDone }) }),
        tap(observer.scored),
      )
    const encoded = scored.pipe(
      timed?.judge ?? identity,
      shadow({ ...shadows, decoder, leases, concurrency: 2 }),
      encode({ encoder, maxRecordBytes: maxOutputBytes, ...(lateEncoder && { lateEncoder }) }),
      letterLimit,
      tap(observer.encoded),
      awaitFences({ gate: swap }),
    )
    const published =
      'transactor' in output
        ? encoded.pipe(transact({ ...output, onCommitted: observer.committed }), tap(observer.published))
        : encoded.pipe(
            publish(output),
            tap(observer.published),
            commit({ committer, everyMs: commitIntervalMs, maxRecords: maxCommitRecords(creditLimits) }),
          )
    return published.pipe(
      refund({ credits, leases }),
      finalize(() => {
        choice.close()
        leases.releaseAll()
        observer.ended()
      }),
    )
  }
