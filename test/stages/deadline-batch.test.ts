import { Subject, VirtualTimeScheduler } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { deadlineBatch } from '../../stages/deadline-batch.js'
import { createLeases } from '../../stages/leases.js'
import type { Decoded, MicroBatch } from '../../stages/ports.js'
import { createTurns } from '../../stages/turns.js'
import { decoded, fetched, generation, record } from '../fixtures/stage-values.js'

const by = generation(1)
const ms = 1_000
/** At p99 ten milliseconds a batch and one a row, then four until it is acknowledged; half as long as a rule. */
const costs = {
  likelyMs: (rows: number) => 5 + rows / 2,
  mostMs: (rows: number) => 10 + rows,
  afterMs: 4,
  likelyAfterMs: 2,
}
const limits = { maxRecords: 100, maxBytes: 1_000_000, maxDelayMs: 500 }

interface Arrival {
  readonly at: number
  readonly partition?: number
  readonly deadline: number
}

const shown = ({ parts, closedBy }: MicroBatch) =>
  `${parts.map((part) => `${part.partition}:${part.records.map(({ offset }) => offset).join()}`).join(' ')} (${closedBy})`

/**
 * When batches close, in milliseconds since the first arrival, and what is in them. `over`: which limits are others, and from when on. Nothing is
 * ever known to be idle; everybody has a turn.
 */
function closes(arrivals: readonly Arrival[], over: (at: number) => Partial<typeof limits> = () => ({})): string[] {
  const scheduler = new VirtualTimeScheduler()
  const source = new Subject<Decoded>()
  const batches: string[] = []
  const began = 2_000
  const stage = deadlineBatch({
    limits: () => ({ ...limits, ...over(scheduler.now() - began) }),
    deadline: () => ({ class: 'firm', ms }),
    costs: () => costs,
    turns: createTurns(10),
    leases: createLeases(),
    scheduler,
  })
  source.pipe(stage).subscribe((batch) => batches.push(`${scheduler.now() - began} ${shown(batch)}`))
  const next = new Map<number, number>()
  for (const { at, partition = 0, deadline } of arrivals)
    scheduler.schedule(() => {
      const offset = next.get(partition) ?? 0
      next.set(partition, offset + 1)
      by.retain()
      const timestamp = began + deadline - ms
      source.next(decoded(fetched(partition, offset, [record(offset, { timestamp })]), by))
    }, began + at)
  scheduler.flush()
  return batches
}

describe('a batch under a deadline closes', () => {
  it('at the last moment at which it is ready for its most urgent record: the deadline less p99 of the batch and of what follows', () => {
    expect(closes([{ at: 0, deadline: 100 }])).toEqual(['85 0:0 (deadline)'])
  })

  it('… of the batch as it would be: each record more closes it earlier', () => {
    const company = [1, 2, 3].map((partition) => ({ at: 10, partition, deadline: 400 }))
    expect(closes([{ at: 0, deadline: 100 }, ...company])).toEqual(['82 0:0 1:0 2:0 3:0 (deadline)'])
  })

  it('… and earlier for a record that is more urgent, whatever else it is with', () => {
    const arrivals = [
      { at: 0, deadline: 100 },
      { at: 30, partition: 1, deadline: 70 },
    ]
    expect(closes(arrivals)).toEqual(['54 0:0 1:0 (deadline)'])
  })

  it('when its oldest record has waited for as long as it may, if that is earlier', () => {
    expect(closes([{ at: 0, deadline: 100 }], () => ({ maxDelayMs: 84 }))).toEqual(['84 0:0 (delay)'])
    expect(closes([{ at: 0, deadline: 100 }], () => ({ maxDelayMs: 86 }))).toEqual(['85 0:0 (deadline)'])
  })

  it('when it is full, if that is earlier', () => {
    const arrivals = [0, 20, 40].map((at, partition) => ({ at, partition, deadline: 300 }))
    expect(closes(arrivals, () => ({ maxRecords: 3 }))).toEqual(['40 0:0 1:0 2:0 (records)'])
  })

  describe('by the limits of the moment: when they are changed while it runs,', () => {
    it('the next batch keeps the new ones', () => {
      const arrivals = [0, 10, 20, 30, 40].map((at, partition) => ({ at, partition, deadline: 300 }))
      const fewer = (at: number) => ({ maxRecords: at < 25 ? 3 : 2 })
      expect(closes(arrivals, fewer)).toEqual(['20 0:0 1:0 2:0 (records)', '40 3:0 4:0 (records)'])
      const sooner = (at: number) => ({ maxDelayMs: at < 25 ? 20 : 5 })
      expect(closes(arrivals, sooner)).toEqual(['20 0:0 1:0 2:0 (delay)', '35 3:0 (delay)', '45 4:0 (delay)'])
    })

    it('and so does what waits already', () => {
      const arrivals = [0, 10, 50].map((at, partition) => ({ at, partition, deadline: 300 }))
      const one = (at: number) => ({ maxRecords: at < 25 ? 100 : 1 })
      expect(closes(arrivals, one)).toEqual(['50 0:0 (records)', '50 1:0 (records)', '50 2:0 (records)'])
    })
  })
})
