import { firstValueFrom, from, lastValueFrom, of, Subject, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { createLeases } from '../../stages/leases.js'
import type { Decoded, DecodedRows, Generation, Outputs, Rows, Scored, ShadowComparison } from '../../stages/ports.js'
import { shadow } from '../../stages/shadow.js'

const outputs = (labels: readonly string[], scores: readonly number[]): Outputs => ({
  count: labels.length,
  labels,
  scores: Float32Array.from(scores),
  scoresWidth: 1,
  values: new Map(),
})
const generation = (score: (rows: Rows) => Promise<Outputs>, shadowed?: Generation): Generation => ({
  number: 3,
  model: 'm@1',
  digest: 'd',
  plan: { readerSchema: {}, inputs: [] },
  scorer: { score, close: async () => undefined },
  ...(shadowed && { shadow: shadowed }),
  retain: () => undefined,
  release: () => undefined,
})
const records = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    offset: from + i,
    timestamp: 0,
    key: null,
    value: Buffer.from(String(from + i)),
    headers: undefined,
  }))
const part = (chosen: Generation, partition: number, count: number, rejected: readonly number[] = []): Decoded => ({
  topic: 'in',
  partition,
  start: 0,
  next: count,
  records: records(0, count),
  bytes: 0,
  generation: chosen,
  rejected: new Map(rejected.map((index) => [index, { code: 'undecodable', reason: '' }])),
  rows: { count: count - rejected.length, columns: [] },
  echo: undefined,
})
const scored = (chosen: Generation, parts: readonly Decoded[], said: Outputs): Scored => ({
  generation: chosen,
  parts,
  rows: said.count,
  closedBy: 'records',
  outputs: said,
  failed: new Map(),
  scoredAt: 0,
})
/** The candidate's plan cannot read the odd offsets given. */
const decoder = (unreadable: readonly number[] = []) => ({
  decode: (all: readonly { offset: number }[]): DecodedRows => {
    const rejected = new Map(
      all.flatMap(({ offset }, index) =>
        unreadable.includes(offset) ? [[index, { code: 'field-missing' as const, reason: '' }] as const] : [],
      ),
    )
    return { rows: { count: all.length - rejected.size, columns: [] }, rejected, echo: undefined }
  },
})

test('batches pass at once and unchanged; what both models said comes in pairs, record by record', async () => {
  const candidate = generation(async () => outputs(['a', 'x', 'c', 'd'], [1, 2, 3, 4.5]))
  const active = generation(() => Promise.reject(), candidate)
  const batch = scored(
    active,
    [part(active, 0, 3, [1]), part(active, 1, 3)],
    outputs(['a', 'b', 'c', 'd', 'e'], [1, 2, 3, 4, 5]),
  )
  const compared = new Subject<ShadowComparison>()
  const comparison = firstValueFrom(compared)
  const leases = createLeases()
  const options = { decoder: decoder([1]), leases, concurrency: 1, onSkipped: () => expect.unreachable() }
  const passed = await lastValueFrom(
    of(batch).pipe(shadow({ ...options, onCompared: (one) => compared.next(one) }), toArray()),
  )
  expect(passed).toEqual([batch])
  const { pairs, failed } = await comparison
  // Record 1 of partition 0 neither model could read; of partition 1 the candidate could not.
  expect(
    pairs.map(({ partition, offset, label, candidateLabel, agree }) => [
      partition,
      offset,
      label,
      candidateLabel,
      agree,
    ]),
  ).toEqual([
    [0, 0, 'a', 'a', true],
    [0, 2, 'b', 'x', false],
    [1, 0, 'c', 'c', true],
    [1, 2, 'e', 'd', false],
  ])
  expect(pairs.map(({ distance }) => distance)).toEqual([0, 0, 0, 0.5])
  expect(failed).toBe(1)
  expect(leases.held).toBe(0)
})

test('a candidate that fails or cannot keep up costs nothing but the comparison', async () => {
  const skipped: number[] = []
  const never = generation(() => new Promise(() => undefined))
  const active = generation(() => Promise.reject(), never)
  const batches = [2, 3, 4].map((count) =>
    scored(active, [part(active, 0, count)], outputs(Array(count).fill('a'), Array(count).fill(0))),
  )
  const options = { decoder: decoder(), concurrency: 1, onCompared: () => expect.unreachable() }
  const passed = await lastValueFrom(
    from(batches).pipe(
      shadow({ ...options, leases: createLeases(), onSkipped: (rows) => skipped.push(rows) }),
      toArray(),
    ),
  )
  expect(passed).toEqual(batches)
  expect(skipped).toEqual([3, 4])

  const broken = generation(() => Promise.reject(new Error('thread died')))
  const other = generation(() => Promise.reject(), broken)
  const failed = new Promise<number>((resolve) => {
    of(scored(other, [part(other, 0, 5)], outputs(Array(5).fill('a'), Array(5).fill(0))))
      .pipe(shadow({ ...options, leases: createLeases(), onSkipped: resolve }))
      .subscribe()
  })
  expect(await failed).toBe(5)
})

test('without a shadow nothing is compared', async () => {
  const alone = generation(() => Promise.reject())
  const batch = scored(alone, [part(alone, 0, 1)], outputs(['a'], [0]))
  const options = { decoder: decoder(), leases: createLeases(), concurrency: 1 }
  const unreachable = { onCompared: () => expect.unreachable(), onSkipped: () => expect.unreachable() }
  expect(await lastValueFrom(of(batch).pipe(shadow({ ...options, ...unreachable })))).toBe(batch)
})

test('what a fallback has answered is not compared, and counted as that', async () => {
  const active = generation(
    () => Promise.reject(),
    generation(() => Promise.reject()),
  )
  const fallback: Generation = { ...generation(() => Promise.reject()), standsInFor: active }
  const skipped: number[] = []
  const options = { decoder: decoder(), leases: createLeases(), concurrency: 1, onCompared: () => expect.unreachable() }
  const batch = scored(fallback, [part(fallback, 0, 3)], outputs(Array(3).fill('a'), Array(3).fill(0)))
  const passed = of(batch).pipe(shadow({ ...options, onSkipped: (rows) => skipped.push(rows) }))
  expect(await lastValueFrom(passed)).toBe(batch)
  expect(skipped).toEqual([3])
})
