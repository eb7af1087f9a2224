import { describe, expect, it } from 'vitest'
import { commit } from '../../stages/commit.js'
import type { Covered, Encoded } from '../../stages/ports.js'
import { createClock, moments, play } from '../fixtures/async-marbles.js'
import { decoded, encodedOf, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

const one = generation(1)
const covering = (partition: number, start: number, next: number) =>
  encodedOf(microBatchOf(decoded(fetched(partition, start, [], next), one)))

const values = {
  a: covering(0, 10, 12),
  b: covering(0, 12, 15),
  c: covering(1, 0, 3),
  /** beyond a hole */
  h: covering(0, 20, 25),
}
const withRecords = (start: number, count: number) => {
  const offsets = Array.from({ length: count }, (_, index) => start + index)
  return encodedOf(microBatchOf(decoded(fetched(2, start, offsets), one)))
}
/** two records each, and one of five */
const counted = { x: withRecords(0, 2), y: withRecords(2, 2), z: withRecords(4, 2), l: withRecords(6, 5) }

async function run(
  source: string,
  {
    ms = 2,
    everyMs = 5,
    maxRecords,
    fail = false,
    ...rest
  }: {
    ms?: number
    everyMs?: number
    maxRecords?: number
    fail?: boolean
    error?: unknown
    unsubscribeAt?: number
  } = {},
) {
  const clock = createClock()
  const commits: string[] = []
  const committer = async (offsets: readonly Covered[]) => {
    const what = offsets.map(({ partition, start, next }) => `${partition}: ${start}-${next}`).join(', ')
    commits.push(`${clock.scheduler.frame}| ${what}`)
    await clock.after(ms)
    if (fail) throw 'gone'
  }
  const stage = commit({ committer, everyMs, maxRecords, scheduler: clock.scheduler })
  const seen = await play<Encoded, Encoded>({ clock, source, values: { ...values, ...counted }, stage, ...rest })
  return { seen, commits, left: clock.scheduler.actions.length }
}

describe('commit', () => {
  it('passes batches on at once and commits them together when the time has come', async () => {
    const { seen, commits } = await run('-abc--------|')
    expect(seen).toEqual(moments('-abc--------|', values))
    expect(commits).toEqual(['6| 0: 10-15, 1: 0-3'])
  })

  it('does not commit while there is nothing new', async () => {
    expect((await run('-a 20ms b 20ms |')).commits).toEqual(['6| 0: 10-12', '27| 0: 12-15'])
    expect((await run('----|')).commits).toEqual([])
  })

  it('commits the rest at the end and completes when that is done', async () => {
    const { seen, commits } = await run('-a-|', { ms: 4 })
    expect(seen).toEqual(moments('-a-----|', values))
    expect(commits).toEqual(['3| 0: 10-12'])
  })

  it('has one commit under way; the end waits for it and then commits the rest', async () => {
    const { seen, commits } = await run('-a-----b|', { ms: 6 })
    expect(commits).toEqual(['6| 0: 10-12', '12| 0: 12-15'])
    expect(seen).toEqual(moments('-a-----b----------|', values))
  })

  it('never commits past a hole', async () => {
    expect((await run('-ah-b-|')).commits).toEqual(['6| 0: 10-15'])
    expect((await run('-ah-|')).commits).toEqual(['4| 0: 10-12'])
  })

  it('errors when a commit fails', async () => {
    const { seen } = await run('-a---------|', { fail: true })
    expect(seen).toEqual(moments('-a------#', values, 'gone'))
  })

  it('passes an upstream error on at once and commits nothing more', async () => {
    const { seen, commits, left } = await run('-a-#', { error: 'gone' })
    expect(seen).toEqual(moments('-a-#', values, 'gone'))
    expect([commits, left]).toEqual([[], 0])
  })

  it('leaves neither timer nor commit behind once unsubscribed', async () => {
    const { seen, commits, left } = await run('-ab---------|', { unsubscribeAt: 2 })
    expect(seen.map(({ frame }) => frame)).toEqual([1, 2])
    expect([commits, left]).toEqual([[], 0])
  })

  it('plans no further commit when it is unsubscribed while one is under way', async () => {
    const { commits, left } = await run('-a-----b----|', { ms: 4, unsubscribeAt: 8 })
    expect([commits, left]).toEqual([['6| 0: 10-12'], 0])
  })

  it('commits before the time when much is uncommitted, and holds on to more until that is done', async () => {
    const { seen, commits } = await run('-xyz--------|', { ms: 4, maxRecords: 4 })
    expect(commits).toEqual(['2| 2: 0-4', '11| 2: 4-6'])
    expect(seen).toEqual(moments('-xy---z--------|', counted))
  })

  it('lets a batch pass alone that is larger than what may be uncommitted', async () => {
    const { seen, commits } = await run('-xyzl|', { ms: 3, maxRecords: 4 })
    expect(commits).toEqual(['2| 2: 0-4', '5| 2: 4-6', '8| 2: 6-11'])
    expect(seen).toEqual(moments('-xy--z--l--|', counted))
  })
})
