import { expect, test } from 'vitest'
import { type ConfigInput, parseConfig } from '../../../pipeline/config.js'

const wrong = (settings: Partial<ConfigInput>) => () =>
  parseConfig({ deployment: 'd', brokers: ['b:9092'], registry: 'http://registry', ...settings })

test('a deadline that the waiting eats is refused with the arithmetic', () => {
  expect(wrong({ deadline: { class: 'firm', ms: 20 }, batch: { maxDelayMs: 19 } })).not.toThrow()
  expect(wrong({ deadline: { class: 'firm', ms: 20 }, batch: { maxDelayMs: 20 } })).toThrow(
    'deadline.ms: batch.maxDelayMs 20 leaves nothing of 20 ms to score in',
  )
  expect(wrong({ deadline: { class: 'soft', ms: 101 }, delivery: 'exactly-once' })).toThrow(
    'deadline.ms: batch.maxDelayMs 1 + transactionIntervalMs 100 = 101 leaves nothing of 101 ms to score in',
  )
})

test('hard is refused, with what can be had instead', () => {
  expect(wrong({ deadline: { class: 'hard', ms: 1_000 } })).toThrow(
    /deadline.class: hard cannot be promised.*ask for firm/,
  )
})

test('a fallback makes no hard deadline', () => {
  expect(wrong({ deadline: { class: 'hard', ms: 1_000, fallback: 'small@1' } })).toThrow(/hard cannot be promised/)
})

test('a fallback is for firm deadlines', () => {
  expect(wrong({ deadline: { class: 'firm', ms: 1_000, fallback: 'small@1' } })).not.toThrow()
  expect(wrong({ deadline: { class: 'soft', ms: 1_000, fallback: 'small@1' } })).toThrow(
    /deadline.fallback: a soft deadline/,
  )
  expect(wrong({ deadline: { class: 'firm', ms: 1_000, fallback: 'small' } })).toThrow(/must be name@version/)
})
