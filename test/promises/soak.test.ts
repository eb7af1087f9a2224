import { expect, inject, test } from 'vitest'
import { grown, type Row, soakSwitches } from '../bench/soak-run.js'

/** The short form of `npm run soak:switches`. */
test('switch upon switch under load leaves no files, handles or threads behind', async () => {
  const { rows, threadDeaths } = await soakSwitches({
    ...{ brokers: inject('brokers'), registry: inject('registry') },
    ...{ switches: 8, every: 4, recordsPerSecond: 100 },
    onRow: () => undefined,
  })
  expect(rows.map(({ switches }) => switches)).toEqual([0, 4, 8])
  expect(rows[2]!.records).toBeGreaterThan(rows[0]!.records)
  expect(threadDeaths).toBe(0)
  // What memory does takes longer to see.
  expect(grown(rows).filter((name) => !name.endsWith('MiB'))).toEqual([])
})

const row: Row = {
  ...{ switches: 0, records: 0, rssMiB: 200, heapMiB: 40, externalMiB: 10 },
  ...{ files: 60, handles: 30, threads: 20 },
}
const rowsWith = (change: (index: number) => Partial<Row>) =>
  Array.from({ length: 9 }, (_, index) => ({ ...row, ...change(index) }))

test.each<[string, (index: number) => Partial<Row>, (keyof Row)[]]>([
  ['what goes up and down is', (index) => ({ files: 60 + (index % 3), heapMiB: 40 + (index % 2) }), []],
  [
    'a file, a handle and a thread each time are not',
    (index) => ({ files: 60 + index, handles: 30 + index, threads: 20 + index }),
    ['files', 'threads', 'handles'],
  ],
  ['memory that is taken once is', (index) => ({ rssMiB: 200 + 100 * Math.min(index, 2) }), []],
  [
    'memory that goes on growing is not',
    (index) => ({ heapMiB: 40 + index, externalMiB: 10 + 5 * index, rssMiB: 200 + 20 * index }),
    ['heapMiB', 'externalMiB', 'rssMiB'],
  ],
])('%s where it was', (_, change, expected) => {
  expect(grown(rowsWith(change))).toEqual(expected)
})
