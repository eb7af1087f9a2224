import { describe, expect, it } from 'vitest'
import { createLeases } from '../../stages/leases.js'
import { generation } from '../fixtures/stage-values.js'

describe('leases', () => {
  it('are counted per generation and given back one by one', () => {
    const leases = createLeases()
    const [one, two] = [generation(1), generation(2)]
    leases.retain(one)
    leases.retain(one)
    leases.retain(two)
    leases.release(one)
    expect([one.leases, two.leases, leases.held]).toEqual([1, 1, 2])
  })

  it('that are still out are given back together, once; stragglers do no harm', () => {
    const leases = createLeases()
    const one = generation(1)
    leases.retain(one)
    leases.retain(one)
    leases.releaseAll()
    leases.releaseAll()
    leases.release(one)
    leases.retain(one)
    expect([one.leases, leases.held]).toEqual([0, 0])
  })

  it('cannot be given back more often than they were taken', () => {
    expect(() => createLeases().release(generation(1))).toThrow(RangeError)
  })
})
