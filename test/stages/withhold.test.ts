import { firstValueFrom, of, VirtualTimeScheduler } from 'rxjs'
import { expect, test } from 'vitest'
import type { DeadlineRule, Rejected } from '../../stages/ports.js'
import { withhold } from '../../stages/withhold.js'
import { bad, decoded, fetched, generation, microBatchOf, record, scoredOf } from '../fixtures/stage-values.js'

const by = generation(1)
const due = (offset: number, deadline: number) => record(offset, { timestamp: deadline - 500 })
/** Two partitions, one bad record between the good ones: rows are due at 1600, 1400, 1700 and 1300. */
const batch = microBatchOf(
  decoded(fetched(0, 0, [due(0, 1_600), bad(1), due(2, 1_400)]), by),
  decoded(fetched(1, 0, [due(0, 1_700), due(1, 1_300)]), by),
)

/** What comes out at 1500. */
function judged(kind: DeadlineRule['class'], failed: ReadonlyMap<number, Rejected> = new Map()) {
  const scheduler = new VirtualTimeScheduler()
  scheduler.frame = 1_500
  const scored = scoredOf(batch, failed)
  const stage = withhold({ deadline: () => ({ class: kind, ms: 500 }), scheduler })
  return firstValueFrom(of(scored).pipe(stage))
}

test('what was scored after its firm deadline is withheld, with what was missed and by how much', async () => {
  const { failed, late } = await judged('firm')
  expect(late).toBeUndefined()
  expect([...failed]).toEqual([
    [1, expect.objectContaining({ code: 'deadline-missed', stage: 'inference', deadline: 1_400, missedByMs: 100 })],
    [3, expect.objectContaining({ code: 'deadline-missed', stage: 'inference', deadline: 1_300, missedByMs: 200 })],
  ])
})

test('what was scored after its soft deadline goes on, and says so', async () => {
  const { failed, late } = await judged('soft')
  expect(failed.size).toBe(0)
  expect(late).toEqual(new Set([1, 3]))
})

test('what the model failed on has failed for that reason, late or not', async () => {
  const reason: Rejected = { code: 'inference-failed', reason: 'it broke' }
  const { failed } = await judged('firm', new Map([[3, reason]]))
  expect(failed.get(3)).toBe(reason)
})
