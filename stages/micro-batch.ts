import { asyncScheduler, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs'
import type { Idleness } from './idleness.js'
import type { Leases } from './leases.js'
import type { CloseReason, Decoded, MicroBatch } from './ports.js'
import { cutDecoded, sliceDecoded } from './slice-decoded.js'
import { stage } from './stage.js'

export interface BatchLimits {
  /** records, rejected ones included */
  readonly maxRecords: number
  /** bytes of keys, values and headers; a record larger than that goes alone */
  readonly maxBytes: number
  /** how long the oldest record may wait; 0 closes at once with what is there */
  readonly maxDelayMs: number
}

export interface MicroBatchOptions {
  /** Asked once for every batch, when its first record enters: they may change under a running stream, never within a batch. */
  readonly limits: () => BatchLimits
  /** Takes one lease more for each split. */
  readonly leases: Leases
  /** of whoever scores: with nothing to do, it gets what is there. Default: it is never known to be idle. */
  readonly idleness?: Idleness
  readonly scheduler?: SchedulerLike
}

/**
 * Gathers what is scored together. A batch closes at the first of: `maxRecords`, `maxBytes`, `maxDelayMs` since its oldest record entered, a
 * change of generation, the end of the source; before that, as soon as nothing is being scored and all that came at once is in: a record
 * waits for company only while the scorer is busy anyway, so batches are small under light load and fill up under a backlog. Order is kept;
 * records of several partitions may share a batch; parts are split so that batches fill up exactly. One timer, armed only while a batch is
 * open.
 *
 * A rule that closes a batch earlier is one more caller of `close`.
 *
 * @example
 * const limits = () => ({ maxRecords: 2048, maxBytes: 1_048_576, maxDelayMs: 5 })
 * decoded.pipe(microBatch({ limits, leases }))
 */
export function microBatch({
  limits,
  leases,
  idleness,
  scheduler = asyncScheduler,
}: MicroBatchOptions): OperatorFunction<Decoded, MicroBatch> {
  return stage((downstream) => {
    let current = limits()
    let parts: Decoded[] = []
    let records = 0
    let rows = 0
    let bytes = 0
    let timer: Subscription | undefined
    let closingSoon = false

    function openIfEmpty(): void {
      if (parts.length === 0) current = limits()
    }

    function close(closedBy: CloseReason): void {
      timer?.unsubscribe()
      timer = undefined
      const first = parts[0]
      if (!first) return
      const batch: MicroBatch = { generation: first.generation, parts, rows, closedBy }
      parts = []
      records = rows = bytes = 0
      downstream.next(batch)
    }

    function add(part: Decoded): void {
      parts.push(part)
      records += part.records.length
      rows += part.rows.count
      bytes += part.bytes
      if (records >= current.maxRecords) close('records')
      else if (bytes >= current.maxBytes) close('bytes')
    }

    function addInSlices(decoded: Decoded): void {
      const { length } = decoded.records
      let from = 0
      let bytesLeft = decoded.bytes
      while (from < length && !downstream.closed) {
        openIfEmpty()
        const room = {
          records: current.maxRecords - records,
          bytes: current.maxBytes - bytes,
          atLeast: records === 0 ? 1 : 0,
        }
        const cut = cutDecoded(decoded, from, bytesLeft, room)
        if (cut.to === from) {
          close('bytes')
          continue
        }
        // The whole holds one lease, which its last slice inherits.
        if (cut.to < length) leases.retain(decoded.generation)
        add(sliceDecoded(decoded, from, cut.to, cut.bytes))
        from = cut.to
        bytesLeft -= cut.bytes
      }
    }

    function closeWhenIdle(): void {
      closingSoon = false
      if (idleness?.idle && !downstream.closed) close('idle')
    }
    idleness?.listen(closeWhenIdle)

    return {
      next(decoded) {
        if (parts[0] && parts[0].generation.number !== decoded.generation.number) close('generation')
        if (decoded.records.length === 0) {
          openIfEmpty()
          add(decoded)
        } else addInSlices(decoded)
        if (parts.length === 0 || downstream.closed) return
        if (current.maxDelayMs === 0) close('delay')
        else timer ??= scheduler.schedule(() => close('delay'), current.maxDelayMs)
        if (idleness?.idle && !closingSoon) {
          closingSoon = true
          idleness.soon(closeWhenIdle)
        }
      },
      complete() {
        close('end')
        downstream.complete()
      },
      teardown() {
        timer?.unsubscribe()
        idleness?.listen(undefined)
        parts = []
      },
    }
  })
}
