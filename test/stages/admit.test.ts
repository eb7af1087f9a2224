import { expect, test } from 'vitest'
import { admit } from '../../stages/admit.js'
import type { DecodedRows, SourceRecord } from '../../stages/ports.js'
import { bad, decodeRecords, generation, record } from '../fixtures/stage-values.js'

const { plan } = generation(1)
const due = (offset: number, deadline: number, over: Partial<SourceRecord> = {}) =>
  record(offset, { ...over, timestamp: deadline - 500 })

/** At 1500, of a decoder that answers at once and one that does not. */
async function admitted(records: readonly SourceRecord[], later: boolean) {
  const asked: number[] = []
  const decode = (some: readonly SourceRecord[]): DecodedRows | Promise<DecodedRows> => {
    asked.push(...some.map(({ offset }) => offset))
    return later ? Promise.resolve(decodeRecords(some)) : decodeRecords(some)
  }
  const rows = await admit({ decoder: { decode }, deadlineMs: () => 500, now: () => 1_500 }).decode(records, plan)
  return { asked, ...rows }
}

test.each([false, true])(
  'what is past its deadline is not even decoded, and the rest is what it would be (later: %s)',
  async (later) => {
    const { value } = bad(1)
    const records = [due(0, 1_499), due(1, 1_900, { value }), due(2, 1_500), due(3, 1_100), due(4, 1_800)]
    const { asked, rows, rejected } = await admitted(records, later)
    expect(asked).toEqual([1, 2, 4])
    expect(rows.count).toBe(2)
    expect([...rejected].sort(([one], [other]) => one - other)).toEqual([
      [0, expect.objectContaining({ code: 'deadline-missed', stage: 'admission', deadline: 1_499, missedByMs: 1 })],
      [1, { code: 'undecodable', reason: 'bad 1' }],
      [3, expect.objectContaining({ code: 'deadline-missed', stage: 'admission', deadline: 1_100, missedByMs: 400 })],
    ])
  },
)
