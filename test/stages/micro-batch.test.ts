import { from, lastValueFrom, Subject, take, toArray } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import { describe, expect, it } from 'vitest'
import { createIdleness } from '../../stages/idleness.js'
import { createLeases } from '../../stages/leases.js'
import { type BatchLimits, microBatch } from '../../stages/micro-batch.js'
import type { Decoded, MicroBatch } from '../../stages/ports.js'
import { bad, decoded, fetched, generation, record } from '../fixtures/stage-values.js'

const one = generation(1)
const two = generation(2)
const roomy = { maxRecords: 100, maxBytes: 1_000_000, maxDelayMs: 5 }

/** `partition:offsets` of each part, and why the batch was closed. */
const shown = ({ parts, closedBy }: MicroBatch) =>
  `${parts.map((part) => `${part.partition}:${part.records.map(({ offset }) => offset).join()}`).join(' ')} (${closedBy})`

const values: Record<string, Decoded> = {
  a: decoded(fetched(0, 0, [0, 1]), one),
  b: decoded(fetched(1, 0, [0]), one),
  c: decoded(fetched(0, 2, [2, 3, 4]), one),
  z: decoded(fetched(0, 2, [2]), two),
  g: decoded(fetched(2, 0, [], 9), one),
}

function marbles(source: string, limits: Partial<BatchLimits>, expected: string, batches: Record<string, string>) {
  new TestScheduler((actual, wanted) => expect(actual.map(readable)).toEqual(wanted.map(readable))).run((run) => {
    const input = run.cold(source, values)
    const leases = createLeases()
    const stage = microBatch({ limits: () => ({ ...roomy, ...limits }), leases })
    run.expectObservable(input.pipe(stage)).toBe(expected, batches as never)
  })
}
const readable = ({ frame, notification }: { frame: number; notification: { kind: string; value?: unknown } }) => {
  const value = notification.value
  return [frame, notification.kind, typeof value === 'object' ? shown(value as MicroBatch) : value]
}

const split = (part: Decoded, limits: Partial<BatchLimits>, leases = createLeases()) =>
  lastValueFrom(from([part]).pipe(microBatch({ limits: () => ({ ...roomy, ...limits }), leases }), toArray()))

describe('microBatch', () => {
  it('closes when the oldest record has waited long enough, not the youngest', () => {
    marbles('-a-b---------|', {}, '------p------|', { p: '0:0,1 1:0 (delay)' })
  })

  it('starts the delay with the first record of each batch', () => {
    marbles('a---------b--|', {}, '-----p-------(q|)', { p: '0:0,1 (delay)', q: '1:0 (end)' })
  })

  it('closes at once with what is there when there is no delay', () => {
    marbles('-a-b-|', { maxDelayMs: 0 }, '-p-q-|', { p: '0:0,1 (delay)', q: '1:0 (delay)' })
  })

  it('closes when it is full, and splits so that it fills up exactly', () => {
    const batches = { p: '0:0,1 1:0 (records)', q: '0:2,3,4 (records)' }
    marbles('-ab--c------|', { maxRecords: 3 }, '--p--q------|', batches)
    marbles('-a--c-------|', { maxRecords: 3 }, '----p----q--|', { p: '0:0,1 0:2 (records)', q: '0:3,4 (delay)' })
  })

  it('closes before the record that would be one byte too many', () => {
    const bytes = values.a!.bytes
    marbles('-ac|', { maxBytes: bytes }, '-pq(r|)', { p: '0:0,1 (bytes)', q: '0:2,3 (bytes)', r: '0:4 (end)' })
    marbles('-ac---|', { maxBytes: bytes + 1 }, '--(pq)(r|)', {
      p: '0:0,1 (bytes)',
      q: '0:2,3 (bytes)',
      r: '0:4 (end)',
    })
  })

  it('never mixes generations', () => {
    marbles('-az------|', {}, '--p----q-|', { p: '0:0,1 (generation)', q: '0:2 (delay)' })
  })

  it('closes with what is there at the end, and emits nothing when there is nothing', () => {
    marbles('-a-|', {}, '---(p|)', { p: '0:0,1 (end)' })
    marbles('---|', {}, '---|', {})
  })

  it('passes an error on at once, without what is there', () => {
    marbles('-a-#', {}, '---#', {})
  })

  it('lets a gap without records wait like a record, no longer', () => {
    marbles('-g-------|', {}, '------p--|', { p: '2: (delay)' })
  })

  it('sends a record that is larger than a whole batch alone', async () => {
    const huge = record(1, { value: Buffer.alloc(500) })
    const batches = await split(decoded(fetched(0, 0, [0, huge, 2]), one), { maxBytes: 100 })
    expect(batches.map(shown)).toEqual(['0:0 (bytes)', '0:1 (bytes)', '0:2 (end)'])
  })

  it('keeps rows, rejections, echoes and coverage with their records when it splits', async () => {
    const whole = decoded(fetched(0, 8, [10, bad(11), 12, 15, bad(16), 17], 20), one)
    const batches = await split(whole, { maxRecords: 2 })
    const parts = batches.flatMap((batch) => batch.parts)
    expect(parts.map(({ start, next }) => [start, next])).toEqual([
      [8, 12],
      [12, 16],
      [16, 20],
    ])
    expect(parts.map((part) => [...part.rejected])).toEqual([
      [[1, { code: 'undecodable', reason: 'bad 11' }]],
      [],
      [[0, { code: 'undecodable', reason: 'bad 16' }]],
    ])
    expect(parts.map((part) => part.rows)).toEqual([
      { count: 1, columns: [Float32Array.of(10, -10), ['name 10']] },
      { count: 2, columns: [Float32Array.of(12, -12, 15, -15), ['name 12', 'name 15']] },
      { count: 1, columns: [Float32Array.of(17, -17), ['name 17']] },
    ])
    expect(parts.map((part) => part.echo)).toEqual([[{ id: '10' }], [{ id: '12' }, { id: '15' }], [{ id: '17' }]])
    expect(parts.reduce((bytes, part) => bytes + part.bytes, 0)).toBe(whole.bytes)
    expect(batches.map((batch) => batch.rows)).toEqual([1, 2, 1])
  })

  it('copies no numbers when it splits', async () => {
    const whole = decoded(fetched(0, 0, [0, 1, 2, 3]), one)
    const buffers = (await split(whole, { maxRecords: 2 })).flatMap(({ parts }) =>
      parts.map(({ rows }) => rows.columns[0]),
    )
    for (const column of buffers)
      expect((column as Float32Array).buffer).toBe((whole.rows.columns[0] as Float32Array).buffer)
  })

  it('takes a lease for every slice beyond the first', async () => {
    const leases = createLeases()
    const mine = generation(7)
    leases.retain(mine)
    await split(decoded(fetched(0, 0, [0, 1, 2, 3, 4]), mine), { maxRecords: 2 }, leases)
    expect(mine.leases).toBe(3)
  })

  it('takes new limits with the next batch, never within one', () => {
    let limits = { ...roomy, maxRecords: 4 }
    const parts = new Subject<Decoded>()
    const batches: string[] = []
    parts
      .pipe(microBatch({ limits: () => limits, leases: createLeases() }))
      .subscribe((batch) => batches.push(shown(batch)))
    parts.next(values.a!)
    limits = { ...roomy, maxRecords: 2 }
    parts.next(values.b!)
    expect(batches).toEqual([])
    parts.next(values.c!)
    expect(batches).toEqual(['0:0,1 1:0 0:2 (records)', '0:3,4 (records)'])
  })

  it('leaves no timer behind, however it ends', () => {
    new TestScheduler(() => {}).run(({ cold, flush }) => {
      const scheduler = new TestScheduler(() => {})
      const open = () => cold('a', values).pipe(microBatch({ limits: () => roomy, leases: createLeases(), scheduler }))
      const running = open().subscribe()
      flush()
      expect(scheduler.actions).toHaveLength(1)
      running.unsubscribe()
      expect(scheduler.actions).toHaveLength(0)
    })
  })

  it.each([
    ['while it splits', [decoded(fetched(0, 0, [0, 1, 2, 3, 4, 5, 6]), one)]],
    ['by a change of generation', [values.a!, decoded(fetched(0, 2, [], 9), two)]],
  ])('takes no lease and arms no timer once unsubscribed %s', (_when, parts) => {
    const scheduler = new TestScheduler(() => {})
    const leases = createLeases()
    from(parts)
      .pipe(microBatch({ limits: () => ({ ...roomy, maxRecords: 3 }), leases, scheduler }), take(1))
      .subscribe()
    expect(scheduler.actions).toHaveLength(0)
    expect(leases.held).toBeLessThanOrEqual(1)
  })
})

describe('microBatch before a scorer that may be idle', () => {
  /** `endTurn` does what was put off to the end of the turn. */
  function open(limits: Partial<BatchLimits> = {}) {
    const later: (() => void)[] = []
    const idleness = createIdleness((work) => later.push(work))
    const source = new Subject<Decoded>()
    const batches: string[] = []
    const stage = microBatch({ limits: () => ({ ...roomy, ...limits }), leases: createLeases(), idleness })
    const subscription = source.pipe(stage).subscribe((batch) => batches.push(shown(batch)))
    const endTurn = () => {
      for (const work of later.splice(0)) work()
    }
    return { source, idleness, batches, endTurn, subscription }
  }

  it('hands on what came in one turn at its end, when nothing is being scored', () => {
    const { source, batches, endTurn, subscription } = open()
    source.next(values.a!)
    source.next(values.b!)
    expect(batches).toEqual([])
    endTurn()
    expect(batches).toEqual(['0:0,1 1:0 (idle)'])
    endTurn()
    expect(batches).toHaveLength(1)
    subscription.unsubscribe()
  })

  it('gathers while something is being scored, and hands on at once when that is done', () => {
    const { source, idleness, batches, endTurn, subscription } = open()
    idleness.begin()
    idleness.begin()
    source.next(values.a!)
    endTurn()
    source.next(values.b!)
    idleness.end()
    expect(batches).toEqual([])
    idleness.end()
    expect(batches).toEqual(['0:0,1 1:0 (idle)'])
    subscription.unsubscribe()
  })

  it('keeps the remainder of a full batch back when the full one has made the scorer busy', () => {
    const { source, idleness, batches, endTurn, subscription } = open({ maxRecords: 3 })
    source.next(values.a!)
    source.next(values.c!)
    expect(batches).toEqual(['0:0,1 0:2 (records)'])
    idleness.begin()
    endTurn()
    expect(batches).toHaveLength(1)
    source.complete()
    expect(batches[1]).toBe('0:3,4 (end)')
    subscription.unsubscribe()
  })

  it('does nothing after it was torn down', () => {
    const { source, idleness, batches, endTurn, subscription } = open()
    source.next(values.a!)
    subscription.unsubscribe()
    endTurn()
    idleness.begin()
    idleness.end()
    expect(batches).toEqual([])
  })
})
