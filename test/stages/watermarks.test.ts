import { describe, expect, it } from 'vitest'
import { createWatermarks } from '../../stages/watermarks.js'

describe('watermarks', () => {
  const cover = (partition: number, start: number, next: number) => ({ topic: 't', partition, start, next })

  it('grow by ranges that touch, and are taken once', () => {
    const watermarks = createWatermarks()
    watermarks.cover(cover(0, 5, 8))
    watermarks.cover(cover(0, 8, 9))
    expect(watermarks.take()).toEqual([cover(0, 5, 9)])
    expect(watermarks.take()).toEqual([])
    expect(watermarks.grown).toBe(false)
  })

  it('wait for a hole to be filled', () => {
    const watermarks = createWatermarks([{ topic: 't', partition: 0, start: 0 }])
    watermarks.cover(cover(0, 6, 9))
    watermarks.cover(cover(0, 3, 6))
    expect(watermarks.grown).toBe(false)
    watermarks.cover(cover(0, 0, 3))
    expect(watermarks.take()).toEqual([cover(0, 0, 9)])
  })

  it('are kept apart by topic and partition', () => {
    const watermarks = createWatermarks()
    watermarks.cover(cover(0, 0, 1))
    watermarks.cover({ ...cover(0, 7, 8), topic: 'u' })
    watermarks.cover(cover(1, 3, 4))
    expect(watermarks.take()).toEqual([cover(0, 0, 1), { ...cover(0, 7, 8), topic: 'u' }, cover(1, 3, 4)])
  })
})
