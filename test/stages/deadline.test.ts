import { expect, test } from 'vitest'
import { deadlineOf } from '../../stages/deadline.js'
import { record } from '../fixtures/stage-values.js'

const of = (header: Buffer | string | (Buffer | string)[] | undefined, timestamp = 1_000) =>
  deadlineOf(record(0, { timestamp, headers: { 'millrace.deadline': header } }), 500)

test('a record has its timestamp and the deadline of the deployment, which its header may shorten and not lengthen', () => {
  expect(of(undefined)).toBe(1_500)
  expect(of('1200')).toBe(1_200)
  expect(of(Buffer.from('1200'))).toBe(1_200)
  expect(of(['1400', Buffer.from('1300')])).toBe(1_300)
  expect(of('1800')).toBe(1_500)
})

test('a header that is no number is as good as none', () => {
  for (const header of ['', 'soon', '-1', '1e3', '0x10', ' 1200', '9'.repeat(40), Buffer.from([0xff, 0x00])])
    expect(of(header)).toBe(1_500)
})

test('a record without a timestamp has only its header', () => {
  expect(of('1200', -1)).toBe(1_200)
  expect(of(undefined, -1)).toBe(Number.POSITIVE_INFINITY)
})
