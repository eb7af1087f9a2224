import { expect, onTestFinished, test } from 'vitest'
import type { ReadRecords } from '../../pipeline/kafka/topic-reader.js'
import { createLateWatch, type LateWatchOptions } from '../../pipeline/late-watch.js'
import type { Late } from '../../pipeline/messages.js'
import { MillraceError } from '../../stages/errors.js'
import { record } from '../fixtures/stage-values.js'

const late = (offset: number, over: Partial<Late> = {}): Late => ({
  ...{ topic: 'digits.input', partition: 3, offset, model: 'digits@1', digest: 'd', generation: 1 },
  ...{ stage: 'admission', deadline: 1_000, missedByMs: 12.5, at: 1_000 + offset },
  ...over,
})

/** A topic with these values, the first of them at offset 0. */
const watchOver = (values: readonly unknown[], decode: LateWatchOptions['decode']) => {
  const records = values.map((value, at) =>
    record(at, { value: value === null ? null : Buffer.from(JSON.stringify(value)) }),
  )
  const asked: unknown[] = []
  const watch = createLateWatch({
    async *read({ from, follow, signal }): AsyncGenerator<ReadRecords> {
      asked.push(from)
      if (!follow) yield { partition: 0, records }
      else await new Promise((resolve) => signal!.addEventListener('abort', resolve))
    },
    decode,
  })
  const looking = watch.look()
  onTestFinished(() => looking.unsubscribe())
  return { watch, asked }
}
const fromJson = async (value: Buffer): Promise<Late> => JSON.parse(value.toString())

test('late records are counted by where they were found late, and the newest are shown', async () => {
  const { watch } = watchOver([late(7), late(9, { stage: 'inference' }), late(8)], fromJson)
  await expect.poll(() => watch.current.known).toBe(true)
  expect(watch.current).toMatchObject({ counts: { admission: 2, inference: 1 }, since: 1_007, trouble: null })
  expect(watch.current.latest.map(({ offset }) => offset)).toEqual([9, 8, 7])
  expect(watch.current.latest[1]).toEqual({
    ...{ partition: 3, offset: 8, model: 'digits@1', stage: 'admission', missedByMs: 12.5, at: 1_008 },
  })
})

test('what is no late record is one that cannot be read, whatever is in it', async () => {
  const long = 'x'.repeat(10_000)
  const odd = late(1, { stage: long, model: long, missedByMs: Number.NaN })
  const { watch } = watchOver([null, odd], async (value) => {
    if (value.length === 0) throw new MillraceError('record-invalid', 'late: nothing')
    return { ...(await fromJson(value)), missedByMs: Number.NaN }
  })
  await expect.poll(() => watch.current.known).toBe(true)
  expect(watch.current.counts).toEqual({ unreadable: 1, [long.slice(0, 80)]: 1 })
  expect(JSON.stringify(watch.current).length).toBeLessThan(1_000)
  expect(watch.current.latest.map(({ missedByMs }) => missedByMs)).toEqual([0, 0])
})

test('while the registry is away they are not called unreadable, and nothing is counted twice', async () => {
  const away = new MillraceError('registry-unreachable', 'http://registry:8081')
  let refusals = 1
  const { watch, asked } = watchOver([late(7), late(8)], async (value) => {
    const read = await fromJson(value)
    if (read.offset === 8 && refusals-- > 0) throw away
    return read
  })
  await expect.poll(() => watch.current).toMatchObject({ counts: {}, known: false, trouble: away.line })
  await expect.poll(() => watch.current, { timeout: 5_000 }).toMatchObject({ counts: { admission: 2 }, known: true })
  expect(watch.current.trouble).toBeNull()
  expect(asked.length).toBeGreaterThanOrEqual(2)
})
