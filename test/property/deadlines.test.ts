import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Arrival, type Fate, type SimulationOptions, simulate } from '../../pipeline/simulate.js'
import { byDeadline } from '../../stages/by-deadline.js'
import { probeShare } from '../../stages/deadline-batch.js'
import { joinLine, type Line } from '../../stages/line.js'
import { decoded, fetched, generation, record, topic } from '../fixtures/stage-values.js'

const arrival: fc.Arbitrary<Arrival> = fc.record(
  { at: fc.nat(200), partition: fc.nat(3), deadlineMs: fc.nat(60) },
  { requiredKeys: ['at', 'partition'] },
)
/** A cost for a batch and one for each row; now and then, where `noise` is not 0, a batch takes longer than anybody thought. */
const costs = fc.record({ fixed: fc.nat(5), row: fc.double({ min: 0, max: 2, noNaN: true }), afterMs: fc.nat(3) })
const options = fc.record({
  costs,
  noise: fc.constantFrom(0, 20),
  ms: fc.integer({ min: 1, max: 80 }),
  maxRecords: fc.integer({ min: 1, max: 32 }),
  maxDelayMs: fc.nat(10),
  concurrency: fc.integer({ min: 1, max: 3 }),
})
type Drawn = typeof options extends fc.Arbitrary<infer T> ? T : never

const settings = (drawn: Drawn, kind: 'soft' | 'firm'): SimulationOptions => {
  const { costs, noise, ms, maxRecords, maxDelayMs, concurrency } = drawn
  const cost = (rows: number) => costs.fixed + costs.row * rows
  let batch = 0
  return {
    rule: { class: kind, ms },
    limits: { maxRecords, maxDelayMs, maxBytes: 1 << 20 },
    concurrency,
    costs: { likelyMs: cost, mostMs: cost, afterMs: costs.afterMs },
    takesMs: (rows) => cost(rows) + (batch++ % 5 === 4 ? noise : 0),
  }
}

const holds = (
  kind: 'soft' | 'firm',
  check: (fates: readonly Fate[], drawn: Drawn, trace: readonly Arrival[]) => void,
) =>
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 80 }), options, (trace, drawn) =>
      check(simulate(trace, settings(drawn, kind)).fates, drawn, trace),
    ),
    { numRuns: 300 },
  )

describe.each(['soft', 'firm'] as const)('under a %s deadline, for all arrivals, costs and limits,', (kind) => {
  it('what finds the model idle does not wait for company', () => {
    holds(kind, (fates, { costs, noise }) => {
      const [only] = fates
      if (fates.length !== 1 || !only || noise > 0 || only.result === 'dropped') return
      expect(only.readyAt - only.at).toBeCloseTo(costs.fixed + costs.row)
    })
  })

  it('nothing is lost, and every partition keeps its order', () => {
    holds(kind, (fates, _, trace) => {
      expect(fates).toHaveLength(trace.length)
      for (const partition of [0, 1, 2, 3]) {
        const offsets = fates.filter((one) => one.partition === partition).map(({ offset }) => offset)
        expect(offsets).toEqual(offsets.map((_, index) => index))
      }
    })
  })

  it('no batch is larger than allowed', () => {
    holds(kind, (fates, { maxRecords }) => {
      for (const { rows } of fates) expect(rows).toBeLessThanOrEqual(maxRecords)
    })
  })
})

describe('under a firm deadline', () => {
  it('nothing that comes out as a prediction was scored after it', () => {
    holds('firm', (fates) => {
      for (const { result, readyAt, deadline } of fates)
        if (result === 'in-time') expect(readyAt).toBeLessThanOrEqual(deadline)
    })
  })

  it('as long as batches take what they were thought to, none comes out too late but a probe now and then', () => {
    holds('firm', (fates, { noise, costs }) => {
      if (noise > 0) return
      const withheld = fates.filter(({ result }) => result === 'withheld')
      if (withheld.length === 0) return
      for (const { rows } of withheld) expect(rows).toBe(1)
      const spent = (withheld.length - 1) * (costs.fixed + costs.row)
      const elapsed = Math.max(...fates.map(({ readyAt }) => readyAt)) - Math.min(...fates.map(({ at }) => at))
      expect(spent).toBeLessThanOrEqual(elapsed * probeShare + 1e-6)
    })
  })

  it('the model is asked for what is not dropped, and for nothing else', () => {
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 80 }), options, (trace, drawn) => {
        let asked = 0
        const onDone = (rows: number) => {
          asked += rows
        }
        const { fates } = simulate(trace, { ...settings(drawn, 'firm'), onDone })
        expect(asked).toBe(fates.filter(({ result }) => result !== 'dropped').length)
      }),
      { numRuns: 300 },
    )
  })

  it('what could be ready alone in an idle pipe is not dropped', () => {
    holds('firm', (fates, { costs }) => {
      const [only] = fates
      if (fates.length !== 1 || !only) return
      const needed = costs.fixed + costs.row + costs.afterMs
      if (only.deadline - only.at >= needed) expect(only.result).toBe('in-time')
    })
  })
})

describe('with a fallback, under a firm deadline', () => {
  it('nothing is lost, every partition keeps its order, and no prediction was scored after its deadline, whoever answers', () => {
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 80 }), options, costs, (trace, drawn, faster) => {
        const takesMs = (rows: number) => faster.fixed + faster.row * rows
        const fallback = { costs: { likelyMs: takesMs, mostMs: takesMs, afterMs: 0 }, takesMs }
        const { fates } = simulate(trace, { ...settings(drawn, 'firm'), fallback })
        expect(fates).toHaveLength(trace.length)
        for (const partition of [0, 1, 2, 3]) {
          const offsets = fates.filter((one) => one.partition === partition).map(({ offset }) => offset)
          expect(offsets).toEqual(offsets.map((_, index) => index))
        }
        for (const { result, readyAt, deadline } of fates)
          if (result === 'in-time') expect(readyAt).toBeLessThanOrEqual(deadline)
      }),
      { numRuns: 300 },
    )
  })
})

describe('while the model is busy', () => {
  it('the last moment of what waits is waited for once, however little time there is to spare', () => {
    let asked = 0
    const takesMs = (rows: number) => rows * 1.999999999999999
    const cost = (rows: number) => {
      if (++asked > 1_000) throw new Error('it waits over and over')
      return takesMs(rows)
    }
    // When the second record comes, the model has a turn for it, though not before it is through with the first. The third comes much later.
    const { fates } = simulate(
      [2, 3, 40].map((at) => ({ at, partition: 0 })),
      {
        rule: { class: 'soft', ms: 6 },
        limits: { maxRecords: 32, maxDelayMs: 2, maxBytes: 1 << 20 },
        concurrency: 2,
        costs: { likelyMs: cost, mostMs: cost, afterMs: 2 },
        takesMs,
      },
    )
    expect(fates.map(({ result }) => result)).toEqual(['in-time', 'in-time', 'in-time'])
  })
})

describe('under a soft deadline', () => {
  it('everything is scored, and is late when it says so', () => {
    holds('soft', (fates) => {
      for (const { result, readyAt, deadline } of fates) expect(result).toBe(readyAt > deadline ? 'late' : 'in-time')
    })
  })
})

describe('the order in which several partitions are taken, for all deadlines,', () => {
  it('is that of always taking the front that is, or hides, the earliest deadline', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat(500), { maxLength: 20 }), { maxLength: 5 }), (partitions) => {
        const lines = partitions.map((deadlines, partition): Line => {
          const line: Line = { topic, partition, parts: [] }
          // Two parts of each, so that urgency crosses from one to the other.
          const records = deadlines.map((timestamp, offset) => record(offset, { timestamp }))
          const middle = Math.floor(records.length / 2)
          for (const [start, some] of [
            [0, records.slice(0, middle)],
            [middle, records.slice(middle)],
          ] as const)
            joinLine(line, decoded(fetched(partition, start, some), generation(1)), 0, 1_000)
          return line
        })
        const left = partitions.map((deadlines) => [...deadlines])
        const urgencyOf = (line: readonly number[]) => Math.min(...line)
        const taken = byDeadline(lines, 200, Number.NEGATIVE_INFINITY)
        for (let i = 0; i < taken.count; i++) {
          const line = left[taken.lines[i]!]!
          // Of equals any may be first.
          expect(urgencyOf(line)).toBe(Math.min(...left.map(urgencyOf)))
          expect(taken.deadlines[i]).toBe(line.shift())
        }
        expect(left.flat()).toEqual([])
      }),
    )
  })
})
