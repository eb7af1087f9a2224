import { expect, test } from 'vitest'
import { become, type GenerationState, mayBecome, transitions } from '../../../pipeline/swap/generation-states.js'

const states = Object.keys(transitions) as GenerationState[]
const allowed = new Set([
  'loading verifying',
  'loading failed',
  'verifying ready',
  'verifying failed',
  'ready active',
  'ready released',
  'ready failed',
  'active draining',
  'draining released',
])

test('every pair of states is either in the table or refused', () => {
  for (const from of states)
    for (const to of states) {
      const known = allowed.has(`${from} ${to}`)
      expect(mayBecome(from, to)).toBe(known)
      if (known) expect(become(from, to)).toBe(to)
      else expect(() => become(from, to)).toThrow(RangeError)
    }
})

test('every way ends in released or failed, after seven steps at most', () => {
  const walk = (state: GenerationState, steps: number) => {
    expect(steps).toBeLessThan(8)
    const next: readonly GenerationState[] = transitions[state]
    if (next.length === 0) expect(['released', 'failed']).toContain(state)
    for (const one of next) walk(one, steps + 1)
  }
  walk('loading', 1)
})

test('failed is reached from the first three alone', () => {
  expect(states.filter((state) => mayBecome(state, 'failed'))).toEqual(['loading', 'verifying', 'ready'])
})
