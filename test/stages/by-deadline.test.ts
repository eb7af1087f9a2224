import { expect, test } from 'vitest'
import { byDeadline } from '../../stages/by-deadline.js'
import { always, giveUp, joinLine, type Line } from '../../stages/line.js'
import { bad, decoded, fetched, generation, record, topic } from '../fixtures/stage-values.js'

const one = generation(1)
/** Records whose deadlines are as given. */
const line = (partition: number, deadlines: readonly number[], by = one): Line => {
  const made: Line = { topic, partition, parts: [] }
  const records = deadlines.map((deadline, offset) => record(offset, { timestamp: deadline }))
  joinLine(made, decoded(fetched(partition, 0, records), by), 0, 1_000)
  return made
}
const order = (lines: readonly Line[], bound = always, most = 100) => {
  const { count, deadlines, lines: from } = byDeadline(lines, most, bound)
  return Array.from({ length: count }, (_, i) => `${from[i]}:${deadlines[i]}`)
}

test('the earliest deadline comes first, across lines', () => {
  expect(order([line(0, [10, 30, 50]), line(1, [20, 40])])).toEqual(['0:10', '1:20', '0:30', '1:40', '0:50'])
})

test('nothing overtakes in its line: what is ahead of an urgent record is as urgent', () => {
  expect(order([line(0, [30, 40]), line(1, [90, 20])])).toEqual(['1:90', '1:20', '0:30', '0:40'])
})

test('no more than asked for', () => {
  expect(order([line(0, [10, 30]), line(1, [20])], always, 2)).toEqual(['0:10', '1:20'])
})

test('what cannot be ready in time is passed over, and hurries nobody', () => {
  const lines = [line(0, [30, 40]), line(1, [90, 5])]
  for (const waiting of lines) giveUp(waiting, 10)
  expect(order(lines, 10)).toEqual(['0:30', '0:40', '1:90'])
})

test('generations are not mixed: only that of the most urgent goes', () => {
  expect(order([line(0, [10, 30], generation(2)), line(1, [20, 40], one)])).toEqual(['0:10', '0:30'])
})

test('what is not scored anyway is passed over, and hurries nobody', () => {
  const made: Line = { topic, partition: 0, parts: [] }
  const records = [{ ...bad(0), timestamp: 10 }, record(1, { timestamp: 20 }), record(2, { timestamp: 30 })]
  joinLine(made, decoded(fetched(0, 0, records), one), 0, 1_000)
  expect(order([made])).toEqual(['0:20', '0:30'])
})
