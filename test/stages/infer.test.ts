import { from, lastValueFrom, toArray } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { infer } from '../../stages/infer.js'
import { InferenceError, type MicroBatch, type Rows, type Scored } from '../../stages/ports.js'
import { createClock, moments, play } from '../fixtures/async-marbles.js'
import { bad, decoded, echoScores, fetched, generation, microBatchOf, type Score } from '../fixtures/stage-values.js'

const batchOf = (offsets: number[], by = generation(1)) => microBatchOf(decoded(fetched(0, 0, offsets), by))
const firstOffset = (rows: Rows) => (rows.columns[0] as Float32Array)[0]!
const firstOf = (batch: Scored) => batch.parts[0]!.records[0]!.offset
const scored = (batch: MicroBatch) => lastValueFrom(from([batch]).pipe(infer({ concurrency: 1 })))

/** Fails as a whole when one of its rows is poison. */
const poisonedBy =
  (...poison: number[]): Score =>
  (rows) => {
    const x = rows.columns[0] as Float32Array
    for (let row = 0; row < rows.count; row++) if (poison.includes(x[2 * row]!)) throw new InferenceError('bad row')
    return echoScores(rows)
  }

describe('infer', () => {
  it('scores the rows of all parts together and hands the batch on with outputs and time', async () => {
    const one = generation(1)
    const parts = [decoded(fetched(0, 0, [0, bad(1), 2]), one), decoded(fetched(1, 7, [7]), one)]
    const clock = createClock()
    const stage = infer({ concurrency: 1, scheduler: clock.scheduler })
    const seen = await play({ clock, source: '---a|', values: { a: microBatchOf(...parts) }, stage })
    const a = {
      ...microBatchOf(...parts),
      failed: new Map(),
      scoredAt: 3,
      outputs: expect.objectContaining({ count: 3 }),
    }
    expect(seen).toEqual([
      { frame: 3, notification: { kind: 'N', value: a } },
      { frame: 4, notification: { kind: 'C' } },
    ])
    expect(one.calls).toEqual([3])
    const first = seen[0]!.notification
    expect(first.kind === 'N' && [...first.value.outputs.scores]).toEqual([0, 2, 7])
  })

  /** Scores take as many milliseconds as the first offset says. */
  async function timed(source: string, delays: Record<string, number>, concurrency: number, options = {}) {
    const clock = createClock()
    const one = generation(1, (rows) => clock.after(firstOffset(rows)).then(() => echoScores(rows)))
    const values = Object.fromEntries(Object.entries(delays).map(([name, ms]) => [name, batchOf([ms], one)]))
    const stage = infer({ concurrency, scheduler: clock.scheduler })
    const seen = await play({ clock, source, values, stage, ...options })
    return seen.map(({ frame, notification }) => [
      frame,
      notification.kind === 'N' ? firstOf(notification.value) : notification.kind,
    ])
  }
  const expected = (diagram: string, delays: Record<string, number>) =>
    moments(diagram, delays).map(({ frame, notification }) => [
      frame,
      notification.kind === 'N' ? notification.value : notification.kind,
    ])

  it('keeps input order when a later call is faster', async () => {
    const delays = { a: 5, b: 1 }
    expect(await timed('ab----|', delays, 2)).toEqual(
      expected('-----(ab)|', delays)
        .slice(0, 2)
        .concat([[6, 'C']]),
    )
  })

  it('has no more than `concurrency` calls under way', async () => {
    const delays = { a: 3, b: 4, c: 2 }
    expect(await timed('(abc|)', delays, 1)).toEqual(expected('---a---b-(c|)', delays))
    expect(await timed('(abc|)', delays, 2)).toEqual(expected('---ab(c|)', delays))
    expect(await timed('(abc|)', delays, 3)).toEqual(expected('---a(bc|)', delays))
  })

  it('completes after the last call, and emits nothing once unsubscribed', async () => {
    expect(await timed('a|', { a: 9 }, 1)).toEqual(expected('---------(a|)', { a: 9 }))
    expect(await timed('a|', { a: 9 }, 1, { unsubscribeAt: 5 })).toEqual([])
  })

  it('passes a batch without rows without a call, in its turn', async () => {
    const clock = createClock()
    const one = generation(1, (rows) => clock.after(3).then(() => echoScores(rows)))
    const values = { a: batchOf([0], one), e: microBatchOf(decoded(fetched(0, 1, [bad(1)]), one)) }
    const seen = await play({ clock, source: 'ae|', values, stage: infer({ concurrency: 2 }) })
    expect(seen.map(({ frame }) => frame)).toEqual([3, 3, 3])
    expect(one.calls).toEqual([1])
  })

  it('isolates the poison rows and scores the others', async () => {
    const one = generation(1, poisonedBy(13, 14))
    const offsets = Array.from({ length: 20 }, (_, i) => i)
    const { failed, outputs } = await scored(batchOf(offsets, one))
    const rejected = { code: 'inference-failed', reason: 'bad row' }
    expect([...failed]).toEqual([
      [13, rejected],
      [14, rejected],
    ])
    for (const row of offsets) if (!failed.has(row)) expect(outputs.scores[row]).toBe(row)
  })

  it('fails a batch of nothing but poison row by row', async () => {
    const { failed, outputs } = await scored(batchOf([1, 2], generation(1, poisonedBy(1, 2))))
    expect([failed.size, outputs.count]).toEqual([2, 2])
  })

  it('isolates one poison row among 1,024 in no more than 21 calls', async () => {
    const one = generation(1, poisonedBy(700))
    await scored(
      batchOf(
        Array.from({ length: 1024 }, (_, i) => i),
        one,
      ),
    )
    expect(one.calls.length).toBeLessThanOrEqual(21)
  })

  it('stops halving once unsubscribed', async () => {
    const clock = createClock()
    const one = generation(1, (rows) => clock.after(2).then(() => poisonedBy(0)(rows)))
    const values = {
      a: batchOf(
        Array.from({ length: 64 }, (_, i) => i),
        one,
      ),
    }
    await play({ clock, source: 'a', values, stage: infer({ concurrency: 1 }), unsubscribeAt: 3 })
    expect(one.calls).toEqual([64, 32])
  })

  it.each<[string, Score]>([
    ['fails for another reason than these rows', () => Promise.reject(new Error('worker died'))],
    [
      'gives outputs for other rows than it was asked for',
      () => ({ ...echoScores({ count: 1, columns: [new Float32Array(2)] }) }),
    ],
  ])('errors when the scorer %s', async (_how, score) => {
    await expect(scored(batchOf([1, 2], generation(1, score)))).rejects.toThrow(/worker died|1 outputs for 2 rows/)
  })

  it('errors when the outputs differ in shape from row to row', async () => {
    const lying: Score = (rows) => {
      if (rows.count > 1) throw new InferenceError('one at a time')
      return { ...echoScores(rows), labels: firstOffset(rows) === 1 ? null : ['x'] }
    }
    await expect(scored(batchOf([1, 2], generation(1, lying)))).rejects.toThrow('different shape')
  })

  it('scores each batch with its own generation', async () => {
    const [one, two] = [generation(1), generation(2)]
    const batches = [batchOf([1], one), batchOf([2, 3], two)]
    await lastValueFrom(from(batches).pipe(infer({ concurrency: 2 }), toArray()))
    expect([one.calls, two.calls]).toEqual([[1], [2]])
  })
})
