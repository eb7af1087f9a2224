import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseConfig } from '../../../pipeline/config.js'
import { createLiveConfig, describeChanges, type SettingChange } from '../../../pipeline/live-config.js'

const settings = { deployment: 'd', brokers: ['b:1'], registry: 'http://r' }
const config = parseConfig(settings)
const error = (run: () => unknown): string => {
  try {
    run()
  } catch (caught) {
    return (caught as Error).message
  }
  return 'none'
}

test('a change is taken as a whole, told with what it was, and remembered as one made while running', () => {
  const live = createLiveConfig(config, new Map([['logLevel', 'env']]))
  const told: (readonly SettingChange[])[] = []
  live.changes.subscribe((changes) => told.push(changes))
  const changes = live.change({ batch: { maxRecords: 1024, maxDelayMs: 1 }, logLevel: 'debug' })
  expect(describeChanges(changes)).toBe('batch.maxRecords 2048 → 1024, logLevel info → debug')
  expect(told).toEqual([changes])
  expect(live.current).toEqual({ ...config, batch: { ...config.batch, maxRecords: 1024 }, logLevel: 'debug' })
  expect(Object.fromEntries(live.sources)).toEqual({ logLevel: 'rest', 'batch.maxRecords': 'rest' })
  expect(config.batch.maxRecords).toBe(2_048)
})

test('limits of guardrails come and go, where none were configured too', () => {
  const live = createLiveConfig(config)
  const changes = live.change({ guardrails: { maxErrorRate: 0.1, maxLatencyMs: 20 } })
  expect(describeChanges(changes)).toBe('guardrails.maxErrorRate none → 0.1, guardrails.maxLatencyMs none → 20')
  expect(live.current.guardrails).toEqual({ windowMs: 60_000, minRecords: 200, maxErrorRate: 0.1, maxLatencyMs: 20 })
  const fewer = live.change({ guardrails: { maxLatencyMs: null, maxDisagreement: null } })
  expect(describeChanges(fewer)).toBe('guardrails.maxLatencyMs 20 → none')
  expect(live.current.guardrails).toEqual({ windowMs: 60_000, minRecords: 200, maxErrorRate: 0.1 })
})

test('guardrails that could not sign their rollback are not taken', () => {
  const trustedKeys = [{ name: 'release', publicKeyPem: 'a key' }]
  const live = createLiveConfig(parseConfig({ ...settings, control: { trustedKeys } }))
  expect(error(() => live.change({ guardrails: { maxErrorRate: 0.1 } }))).toMatch(/guardrails\.keyFile: /)
  expect(live.current.guardrails).toBeUndefined()
})

test('a deadline changes within its class, and goes with the other settings', () => {
  const live = createLiveConfig(parseConfig({ ...settings, deadline: { class: 'firm', ms: 50 } }))
  expect(describeChanges(live.change({ deadline: { ms: 20 }, batch: { maxDelayMs: 5 } }))).toBe(
    'deadline.ms 50 → 20, batch.maxDelayMs 1 → 5',
  )
  expect(error(() => live.change({ deadline: { ms: 5 } }))).toMatch(/leaves nothing of 5 ms/)
  expect(error(() => live.change({ deadline: { class: 'soft' } }))).toMatch(/deadline\.class does not change while/)
  expect(live.current.deadline).toEqual({ class: 'firm', ms: 20 })
})

test('what is as it was is no change', () => {
  const live = createLiveConfig(config)
  expect(live.change({ batch: { maxRecords: 2_048 } })).toEqual([])
  expect(live.current).toBe(config)
})

test.each([
  ['a setting that takes a restart', { credits: { records: 1 } }, /credits\.records does not change while/],
  ['a setting that does not exist', { batch: { size: 1 } }, /batch\.size does not change while/],
  ['a value that is not valid', { batch: { maxRecords: 0 }, logLevel: 'debug' }, /batch\.maxRecords: /],
  [
    'a value that does not go with the others',
    { batch: { maxRecords: 20_000 } },
    /credits\.records: 16384 is less than/,
  ],
  ['a deadline where there are no stages for one', { deadline: { ms: 50 } }, /deadline\.ms does not change while/],
  ['a key of the guardrails', { guardrails: { keyFile: 'k' } }, /guardrails\.keyFile does not change while/],
  ['a limit that no value passes', { guardrails: { maxErrorRate: 2 } }, /guardrails\.maxErrorRate: /],
  ['a group where a value belongs', { logLevel: { a: 1 } }, /logLevel\.a does not change while/],
  ['a value where a group belongs', { batch: 7 }, /batch does not change while/],
])('%s is refused, and nothing of it is taken', (_what, settings, message) => {
  const live = createLiveConfig(config)
  expect(error(() => live.change(settings))).toMatch(message)
  expect(live.current).toBe(config)
  expect(live.sources.size).toBe(0)
})

test('whatever is sent, the configuration stays valid', () => {
  const live = createLiveConfig(config)
  fc.assert(
    fc.property(
      fc.object({ key: fc.constantFrom('batch', 'maxRecords', 'guardrails', 'minRecords', 'logLevel', '__proto__') }),
      (settings) => {
        error(() => live.change(settings as never))
        expect(parseConfig(structuredClone(live.current))).toEqual(live.current)
      },
    ),
  )
})
