import { expect, test } from 'vitest'
import type { GuardrailSettings } from '../../pipeline/config-models.js'
import { createGuardrails } from '../../pipeline/guardrails.js'
import { createControlFold, guardrailId } from '../../pipeline/swap/control-fold.js'
import type { Generation, MicroBatch, Scored } from '../../stages/ports.js'
import { command } from '../fixtures/swap.js'

const generation = (number: number, more: Partial<Generation> = {}): Generation =>
  ({ number, model: `m@${number}`, digest: `digest-${number}`, ...more }) as Generation

/** Guardrails with a clock that the test moves; a limit may be changed under them. */
const guarded = (limits: Partial<GuardrailSettings>, watched: () => Generation | undefined) => {
  const live: { limits: Partial<GuardrailSettings> | undefined } = { limits }
  const tripped: string[] = []
  let time = 0
  const { observer } = createGuardrails({
    settings: () => live.limits && { windowMs: 1_000, minRecords: 10, ...live.limits },
    watched,
    onTripped: ({ number }, reason) => tripped.push(`${number}: ${reason}`),
    now: () => time,
  })
  const scores = (by: Generation, rows: number, failures: number, took = 1) => {
    observer.batched({ rows } as MicroBatch)
    time += took
    const failed = new Map(
      Array.from({ length: failures }, (_, row) => [row, { code: 'inference-failed', reason: '' }]),
    )
    observer.scored({ generation: by, rows, failed } as unknown as Scored)
    time += 200
  }
  return { tripped, scores, live }
}

test('a limit is passed once there are enough records, and said once', () => {
  const now = generation(2)
  const { tripped, scores } = guarded({ maxErrorRate: 0.1 }, () => now)
  scores(now, 8, 8)
  expect(tripped).toEqual([])
  scores(now, 8, 8)
  scores(now, 8, 8)
  expect(tripped).toEqual(['2: it fails on 100 % of 16 records, 10 % allowed'])
})

test('only what was made by the new model counts, and only within the window', () => {
  let now: Generation = generation(2)
  const { tripped, scores } = guarded({ maxErrorRate: 0.1, windowMs: 1_500 }, () => now)
  scores(generation(1), 100, 100)
  for (let i = 0; i < 6; i++) scores(now, 100, 0)
  scores(now, 100, 100)
  expect(tripped).toEqual(['2: it fails on 14.3 % of 700 records, 10 % allowed'])
  now = generation(3)
  for (let i = 0; i < 8; i++) scores(now, 1, 0)
  scores(now, 100, 100)
  expect(tripped).toHaveLength(1)
})

test('limits of now count: a window is that of the switch, whenever they came', () => {
  let now = generation(2)
  const { tripped, scores, live } = guarded({}, () => now)
  live.limits = undefined
  scores(now, 100, 100)
  live.limits = { maxErrorRate: 0.1 }
  scores(now, 100, 11)
  expect(tripped).toEqual(['2: it fails on 11 % of 100 records, 10 % allowed'])
  now = generation(3)
  live.limits = undefined
  for (let i = 0; i < 6; i++) scores(now, 100, 100)
  live.limits = { maxErrorRate: 0.1 }
  scores(now, 100, 100)
  expect(tripped).toHaveLength(1)
  live.limits = { maxErrorRate: 0.1, windowMs: 10_000 }
  scores(now, 100, 100)
  expect(tripped[1]).toMatch(/^3: it fails on 100 %/)
})

test('in a canary the candidate is judged', () => {
  const candidate = { ...generation(2), digest: 'candidate' } as Generation
  const now = generation(2, { canary: { generation: candidate, percent: 10 } })
  const { tripped, scores } = guarded({ maxErrorRate: 0.5 }, () => now)
  scores(now, 90, 90)
  scores(candidate, 10, 6)
  expect(tripped).toEqual(['2: it fails on 60 % of 10 records, 50 % allowed'])
})

test('a batch that takes too long in one of a hundred is too slow', () => {
  const now = generation(2)
  const { tripped, scores } = guarded({ maxLatencyMs: 20, windowMs: 100_000 }, () => now)
  for (let i = 0; i < 150; i++) scores(now, 1, 0, i === 100 ? 50 : 5)
  expect(tripped).toEqual([])
  scores(now, 1, 0, 50)
  expect(tripped).toEqual(['2: p99 of scoring a batch is 50.0 ms over 151 records, 20 ms allowed'])
})

test('the rollback of many workers is one, and none once another generation has begun', () => {
  const fold = createControlFold('m@1')
  const say = (given: Parameters<typeof command>[0]) => fold.apply({ offset: 0, timestamp: 0, command: command(given) })
  say({ action: 'SWITCH', model: 'm@2' })
  const id = guardrailId('a-deployment-2', fold.current!.number)
  const back = { id, action: 'ROLLBACK', model: 'm@1', digest: 'd' } as const
  expect(say(back)).toMatchObject({ kind: 'generation', plan: { number: 3, model: 'm@1', digest: 'd' } })
  expect(say(back)).toMatchObject({ kind: 'ignored' })
  say({ action: 'SWITCH', model: 'm@4' })
  const late = { ...back, id: guardrailId('a-deployment-2', 3) }
  expect(say(late)).toEqual({ kind: 'ignored', reason: 'generation 3 is over already' })
})
