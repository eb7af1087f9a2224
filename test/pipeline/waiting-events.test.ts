import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPartStates, type PartStates } from '../../pipeline/part-states.js'
import { sayWaits, waitSaidEveryMs } from '../../pipeline/waiting-events.js'
import type { Said } from '../../pipeline/worker-events.js'

let states: PartStates
let said: Said[]
const ending = new AbortController()
beforeEach(() => {
  vi.useFakeTimers()
  states = createPartStates()
  said = []
  sayWaits(states, { emit: (event) => void said.push(event) }, ending.signal)
})
afterEach(() => {
  vi.useRealTimers()
})

test('what is waited for is said when it begins, when it is something else, again and again, and when it is over', () => {
  states.set('registry', 'connecting', 'r')
  expect(said).toEqual([])
  states.set('registry', 'waiting', 'no answer')
  states.set('registry', 'waiting', 'refused')
  states.set('control', 'waiting', 'no topic')
  states.set('registry', 'running', 'r')
  // Neither keeps records from being scored.
  states.set('models', 'waiting', 'no topic')
  states.set('shadow', 'waiting', 'no topic')
  vi.advanceTimersByTime(waitSaidEveryMs)
  states.set('control', 'running', 'c')
  vi.advanceTimersByTime(10 * waitSaidEveryMs)
  expect(said).toEqual([
    { type: 'waiting', reason: 'registry: no answer' },
    { type: 'waiting', reason: 'registry: refused; control: no topic' },
    { type: 'waiting', reason: 'control: no topic' },
    { type: 'waiting', reason: 'control: no topic' },
    { type: 'resumed' },
  ])

  states.set('control', 'waiting', 'no topic')
  ending.abort()
  vi.advanceTimersByTime(10 * waitSaidEveryMs)
  states.set('control', 'running', 'c')
  expect(said).toHaveLength(6)
})
