import { expect, test } from 'vitest'
import { moment, time } from '../../../pipeline/dashboard/format.js'

test('a time of another day has its day, and what is no time is not shown as one', () => {
  const now = Date.now()
  expect(time(now)).toMatch(/^\d\d:\d\d:\d\d$/)
  expect(moment(now)).toBe(time(now))
  expect(moment(now - 3 * 86_400_000)).toMatch(/^\d+ \w+, \d\d:\d\d:\d\d$/)
  for (const none of [8.65e15, -8.65e15, Number.NaN]) expect([time(none), moment(none)]).toEqual(['?', '?'])
})
