import fc from 'fast-check'
import { from, lastValueFrom, toArray } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { infer } from '../../stages/infer.js'
import { InferenceError } from '../../stages/ports.js'
import { createClock } from '../fixtures/async-marbles.js'
import { decoded, echoScores, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

describe('infer, for all batches', () => {
  it('rejects exactly the poison rows, scores exactly the others, in a bounded number of calls', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(sizes, fc.uniqueArray(fc.nat(100), { maxLength: 6 }), async (sizes, poison) => {
        const one = generation(1, (rows) => {
          const x = rows.columns[0] as Float32Array
          for (let row = 0; row < rows.count; row++)
            if (poison.includes(x[2 * row]!)) throw new InferenceError('poison')
          return echoScores(rows)
        })
        let offset = 0
        const parts = sizes.map((size) =>
          decoded(
            fetched(
              0,
              offset,
              Array.from({ length: size }, () => offset++),
            ),
            one,
          ),
        )
        const { outputs, failed } = await lastValueFrom(from([microBatchOf(...parts)]).pipe(infer({ concurrency: 1 })))
        const inBatch = poison.filter((row) => row < offset).sort((a, b) => a - b)
        expect([...failed.keys()]).toEqual(inBatch)
        for (let row = 0; row < offset; row++) if (!failed.has(row)) expect(outputs.scores[row]).toBe(row)
        expect(one.calls.length).toBeLessThanOrEqual(1 + 2 * inBatch.length * Math.ceil(Math.log2(offset)))
      }),
    )
  })

  it('keeps input order and never has more calls under way than it may', async () => {
    const delays = fc.array(fc.nat(8), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(delays, fc.integer({ min: 1, max: 4 }), async (delays, concurrency) => {
        const clock = createClock()
        let underWay = 0
        const one = generation(1, async (rows) => {
          expect(++underWay).toBeLessThanOrEqual(concurrency)
          await clock.after(delays[(rows.columns[0] as Float32Array)[0]!]!)
          underWay--
          return echoScores(rows)
        })
        const batches = delays.map((_, i) => microBatchOf(decoded(fetched(0, i, [i]), one)))
        const all = lastValueFrom(from(batches).pipe(infer({ concurrency }), toArray()))
        await clock.advance(100)
        expect((await all).map((scored) => scored.outputs.scores[0])).toEqual(delays.map((_, i) => i))
      }),
      { numRuns: 60 },
    )
  })
})
