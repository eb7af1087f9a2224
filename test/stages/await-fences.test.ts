import { describe, expect, it } from 'vitest'
import { awaitFences } from '../../stages/await-fences.js'
import type { Encoded } from '../../stages/ports.js'
import { type Clock, createClock, moments, play } from '../fixtures/async-marbles.js'
import { decoded, encodedOf, fetched, generation, microBatchOf } from '../fixtures/stage-values.js'

const [one, two] = [generation(1), generation(2)]
const encodedAt = (of: typeof one, ...partitions: number[]) =>
  encodedOf(microBatchOf(...partitions.map((partition) => decoded(fetched(partition, 0, [0]), of))))

const values = { a: encodedAt(one, 0), b: encodedAt(one, 1), c: encodedAt(two, 0), d: encodedAt(two, 0, 1) }

/** The fence of a partition and generation is under way from the beginning and written after so many milliseconds. */
function run(
  source: string,
  writtenAfter: Record<string, number>,
  rest: { error?: unknown; unsubscribeAt?: number; frames?: number; refused?: unknown } = {},
) {
  const { refused, ...played } = rest
  const clock = createClock()
  const asked: string[] = []
  const pending = pendingWrites(clock, writtenAfter, refused)
  const gate = {
    written(_topic: string, partition: number, { number }: { number: number }) {
      asked.push(`${partition}/${number}`)
      return pending.get(`${partition}/${number}`)
    },
  }
  return play<Encoded, Encoded>({ clock, source, values, stage: awaitFences({ gate }), ...played }).then((seen) => ({
    seen,
    asked,
  }))
}

function pendingWrites(clock: Clock, writtenAfter: Record<string, number>, refused: unknown) {
  const pending = new Map<string, Promise<void>>()
  for (const [key, ms] of Object.entries(writtenAfter)) {
    const written = clock.after(ms).then(() => {
      if (refused !== undefined) throw refused
      pending.delete(key)
    })
    written.catch(() => undefined)
    pending.set(key, written)
  }
  return pending
}

describe('awaitFences', () => {
  it('lets everything pass at once while no fence is under way', async () => {
    const { seen, asked } = await run('-a(bc)d|', {})
    expect(seen).toEqual(moments('-a(bc)d|', values))
    expect(asked).toEqual(['0/1', '1/1', '0/2', '0/2', '1/2'])
  })

  it('holds a batch back until its fence is written', async () => {
    expect((await run('-c------|', { '0/2': 5 })).seen).toEqual(moments('-----c--|', values))
  })

  it('waits for the fences of all parts of a batch', async () => {
    expect((await run('-d--------|', { '0/2': 3, '1/2': 7 })).seen).toEqual(moments('-------d--|', values))
  })

  it('keeps the order: what needs no fence waits behind what does', async () => {
    expect((await run('cab-----|', { '0/2': 5 })).seen).toEqual(moments('-----(cab|)', values).map(at(8, 'C')))
  })

  it('looks at each batch again when its turn comes', async () => {
    expect((await run('cb---------|', { '0/2': 3, '1/1': 6 })).seen).toEqual(moments('---c--b----|', values))
  })

  it('completes once the last fence is written', async () => {
    expect((await run('c|', { '0/2': 4 })).seen).toEqual(moments('----(c|)', values))
  })

  it('errors when a fence cannot be written, and hands on nothing that was behind it', async () => {
    expect((await run('ca--|', { '0/2': 3 }, { refused: 'closed' })).seen).toEqual(moments('---#', {}, 'closed'))
  })

  it('passes an upstream error on at once', async () => {
    expect((await run('c-#', { '0/2': 5 }, { error: 'gone' })).seen).toEqual(moments('--#', {}, 'gone'))
  })

  it('hands nothing on once unsubscribed', async () => {
    expect((await run('ca-|', { '0/2': 5 }, { unsubscribeAt: 2 })).seen).toEqual([])
  })
})

/** The same moment at another frame, for the notification of this kind. */
const at =
  (frame: number, kind: 'C') =>
  <T extends { frame: number; notification: { kind: string } }>(moment: T): T =>
    moment.notification.kind === kind ? { ...moment, frame } : moment
