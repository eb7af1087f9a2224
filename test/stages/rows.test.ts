import { describe, expect, it } from 'vitest'
import { concatRows } from '../../stages/concat-rows.js'
import { mergeOutputs, noOutputs } from '../../stages/merge-outputs.js'
import type { Outputs, TensorData } from '../../stages/ports.js'
import { sliceRows } from '../../stages/slice-rows.js'

const two = (...columns: TensorData[]) => ({ count: 2, columns })

describe('rows', () => {
  it.each<[string, TensorData, TensorData, TensorData]>([
    ['float32', Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(1, 2, 3, 4)],
    [
      'float64, two wide',
      Float64Array.of(1, 2, 3, 4),
      Float64Array.of(5, 6, 7, 8),
      Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    ],
    ['int64', BigInt64Array.of(1n, 2n), BigInt64Array.of(3n, 4n), BigInt64Array.of(1n, 2n, 3n, 4n)],
    ['uint8', Uint8Array.of(1, 0), Uint8Array.of(1, 1), Uint8Array.of(1, 0, 1, 1)],
    ['string', ['a', 'b'], ['c', 'd'], ['a', 'b', 'c', 'd']],
  ])('of %s are joined in order and cut apart again', (_type, first, second, joined) => {
    const all = concatRows([two(first), { count: 0, columns: [] }, two(second)])
    expect(all.count).toBe(4)
    expect(all.columns).toEqual([joined])
    expect(sliceRows(all, 0, 2)).toEqual(two(first))
    expect(sliceRows(all, 2, 4)).toEqual(two(second))
    expect(sliceRows(all, 1, 1).count).toBe(0)
  })

  it('of a single part are not copied', () => {
    const rows = two(Float32Array.of(1, 2))
    expect(concatRows([{ count: 0, columns: [] }, rows])).toBe(rows)
    expect(sliceRows(rows, 0, 2)).toBe(rows)
    expect(concatRows([])).toEqual({ count: 0, columns: [] })
  })
})

describe('outputs', () => {
  const outputs = (count: number, from: number): Outputs => ({
    count,
    labels: Array.from({ length: count }, (_, row) => `l${from + row}`),
    scores: Float32Array.from({ length: 2 * count }, (_, at) => 2 * from + at),
    scoresWidth: 2,
    values: new Map([['leaf', { data: Float32Array.from({ length: count }, (_, row) => 100 + from + row), width: 1 }]]),
  })

  it('of some rows are put where their rows are', () => {
    const merged = mergeOutputs(4, [
      { first: 3, outputs: outputs(1, 3) },
      { first: 0, outputs: outputs(2, 0) },
    ])
    expect(merged.labels).toEqual(['l0', 'l1', '', 'l3'])
    expect([...merged.scores]).toEqual([0, 1, 2, 3, 0, 0, 6, 7])
    expect([...merged.values.get('leaf')!.data]).toEqual([100, 101, 0, 103])
  })

  it('of no rows are empty', () => {
    expect(mergeOutputs(3, [])).toEqual(noOutputs(3))
  })

  it.each<[string, Partial<Outputs>]>([
    ['labels', { labels: null }],
    ['score width', { scoresWidth: 1, scores: new Float32Array(1) }],
    ['value names', { values: new Map([['other', { data: new Float32Array(1), width: 1 }]]) }],
    ['value count', { values: new Map() }],
  ])('whose %s differ are refused: the model is not what it says', (_what, over) => {
    const pieces = [
      { first: 0, outputs: outputs(1, 0) },
      { first: 1, outputs: { ...outputs(1, 1), ...over } },
    ]
    expect(() => mergeOutputs(2, pieces)).toThrow('different shape')
  })
})
