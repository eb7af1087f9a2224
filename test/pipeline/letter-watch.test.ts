import { expect, onTestFinished, test } from 'vitest'
import type { ReadRecords, ReadTopicOptions } from '../../pipeline/kafka/topic-reader.js'
import { createLetterWatch, type LetterWatchOptions } from '../../pipeline/letter-watch.js'
import { deadLetter } from '../../stages/dead-letter.js'
import { MillraceError } from '../../stages/errors.js'
import type { SourceRecord } from '../../stages/ports.js'
import { decoded, fetched, generation, record } from '../fixtures/stage-values.js'

/** As a worker writes it, about the record of that offset in partition 3. */
const letter = (at: number, code = 'undecodable', over: Partial<SourceRecord> = {}): SourceRecord => {
  const part = decoded(fetched(3, 0, [record(at, over)]), generation(1))
  const written = deadLetter(part.records[0]!, part, { code: code as 'undecodable', reason: `why ${at}` }, at)
  return { ...written, offset: at, headers: written.headers }
}
const run = (partition: number, ...records: SourceRecord[]): ReadRecords => ({ partition, records })

type Answers = (options: ReadTopicOptions) => ReadRecords[]

/** A topic that answers what it is told to, call by call, and then says nothing until the reading ends. */
const watchOver = (answers: readonly Answers[], more: Partial<LetterWatchOptions> = {}) => {
  const asked: ReadTopicOptions[] = []
  const watch = createLetterWatch({
    async *read(options) {
      asked.push(options)
      yield* answers[asked.length - 1]?.(options) ?? []
      if (options.follow) await new Promise((resolve) => options.signal!.addEventListener('abort', resolve))
    },
    ...more,
  })
  const look = () => {
    const looking = watch.look()
    onTestFinished(() => looking.unsubscribe())
    return looking
  }
  return { watch, look, asked }
}

test('the newest of all partitions are kept, counted by code, with their reason and the beginning of their bytes', async () => {
  const long = Buffer.alloc(5_000, 'bad ')
  const key = Buffer.from('k\u0000\n\xff', 'latin1')
  const { watch, look, asked } = watchOver([
    () => [run(0, letter(1_000), letter(4_000, 'tombstone', { value: null })), run(1, letter(2_000))],
    () => [run(1, letter(5_000, 'not-framed', { key, value: long }))],
  ])
  expect(watch.current).toMatchObject({ latest: [], known: false })
  look()
  await expect.poll(() => watch.current.latest.length).toBe(4)
  expect(watch.current).toMatchObject({
    counts: { undecodable: 2, tombstone: 1, 'not-framed': 1 },
    since: 1_000,
    skipped: 0,
    known: true,
    trouble: null,
  })
  expect(watch.current.latest.map(({ at }) => at)).toEqual([5_000, 4_000, 2_000, 1_000])
  expect(watch.current.latest[0]).toEqual({
    partition: 3,
    offset: 5_000,
    key: 'k···',
    at: 5_000,
    code: 'not-framed',
    reason: 'why 5000',
    model: 'digits@1',
    size: 5_000,
    bytes: long.subarray(0, 256).toString('hex'),
  })
  expect(watch.current.latest[1]).toMatchObject({ code: 'tombstone', size: null, bytes: '' })
  expect(asked.map(({ from, follow }) => [from, follow])).toEqual([
    [{ last: 50 }, false],
    [expect.any(Map), true],
  ])
})

test('it is read once for all who look, and not when nobody does', async () => {
  const { watch, look, asked } = watchOver([() => [run(0, letter(1))]])
  expect(asked).toHaveLength(0)
  const [one, other] = [look(), look()]
  await expect.poll(() => asked.length).toBe(2)
  one.unsubscribe()
  expect([watch.current.latest.length, asked[1]!.signal!.aborted]).toEqual([1, false])
  other.unsubscribe()
  expect([watch.current.latest.length, asked[1]!.signal!.aborted]).toEqual([0, true])
})

test('of a flood the newest are looked at, the others are counted, and nothing is counted twice', async () => {
  const many = (from: number, count: number) => Array.from({ length: count }, (_, i) => letter(from + i))
  const { watch, look } = watchOver([
    () => [],
    () => [run(0, ...many(0, 2_000)), run(1, letter(1))],
    () => [run(0, ...many(1_990, 40)), run(1, letter(1))],
    () => [],
    () => [],
  ])
  look()
  // 1,500 of the first fetch; partition 1 is read again, as nothing of it was looked at.
  await expect.poll(() => watch.current).toMatchObject({ counts: { undecodable: 531 }, skipped: 1_500 })
  expect(watch.current.latest).toHaveLength(12)
  expect(watch.current.latest[0]).toMatchObject({ offset: 2_029 })
})

test('what came between two looks is counted as skipped', async () => {
  const many = Array.from({ length: 501 }, (_, i) => letter(i))
  const { watch, look } = watchOver([() => [], () => [run(0, ...many)], () => [run(0, letter(900), letter(901))]])
  look()
  await expect.poll(() => watch.current).toMatchObject({ counts: { undecodable: 502 }, skipped: 1 + 399 })
})

test('it is said whether those that were there at first are all that there are', async () => {
  const [begun, cut] = [0, 70].map((offset) => watchOver([() => [run(0, letter(offset)), run(0, letter(offset + 1))]]))
  for (const { look } of [begun!, cut!]) look()
  await expect.poll(() => [begun, cut].map((one) => one!.watch.current.known)).toEqual([true, true])
  expect([begun, cut].map((one) => one!.watch.current.whole)).toEqual([true, false])
})

test('where records are not to be shown they are only counted', async () => {
  const { watch, look } = watchOver([() => [run(0, letter(1), letter(2))]], { shown: false })
  look()
  await expect.poll(() => watch.current).toMatchObject({ counts: { undecodable: 2 }, latest: [] })
})

test('whatever somebody else has written to the topic, it can be shown and stays small', async () => {
  const headers = (code: string) => ({ 'millrace.error': code, 'millrace.offset': '1e999', 'millrace.at': 'noon' })
  const odd = (at: number, code: string): SourceRecord => ({ ...letter(at), headers: headers(code) })
  const codes = ['__proto__', 'constructor', 'x'.repeat(10_000), ...Array.from({ length: 100 }, (_, i) => `c${i}`)]
  const { watch, look } = watchOver([
    () => [run(0, { ...letter(1), headers: {} }, ...codes.map((code, i) => odd(i, code)))],
  ])
  look()
  await expect.poll(() => watch.current.known).toBe(true)
  const { counts, latest } = JSON.parse(JSON.stringify(watch.current)) as typeof watch.current
  expect(Object.values(counts).reduce((sum, one) => sum + one, 0)).toBe(104)
  expect(counts).toMatchObject({ unknown: 1, constructor: 1, other: expect.any(Number) })
  expect(Object.keys(counts).length).toBeLessThanOrEqual(41)
  expect(JSON.stringify(latest).length).toBeLessThan(20_000)
})

test('a topic that cannot be read is said, and read as soon as it can be', async () => {
  const refused = new MillraceError('not-authorized', 'digits.dead-letter')
  const { watch, look } = watchOver([
    () => {
      throw refused
    },
    () => [run(0, letter(1))],
  ])
  look()
  await expect.poll(() => watch.current).toMatchObject({ known: false, trouble: refused.line })
  await expect.poll(() => watch.current, { timeout: 5_000 }).toMatchObject({ known: true, trouble: null })
})
