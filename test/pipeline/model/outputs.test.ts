import { describe, expect, test } from 'vitest'
import { UnfitError } from '../../../pipeline/model/chain.js'
import { interpretOutputs, type RowTensor, tensorsOf } from '../../../pipeline/model/outputs.js'

const tensors = new Map<string, RowTensor>([
  ['words', { type: 'string', data: ['a', 'b'], width: 1 }],
  ['targets', { type: 'int64', data: BigInt64Array.of(1n, 2n, 3n, 4n), width: 2 }],
  ['half', { type: 'float16', data: Uint16Array.of(0, 0), width: 1 }],
  ['wide', { type: 'uint64', data: BigUint64Array.of(2n ** 40n, 1n), width: 1 }],
])

describe('outputs that do not fit their place are unfit, with what to do about it', () => {
  test('strings as scores or values', () => {
    const strings = new UnfitError("the output 'words' holds strings; only a label may")
    expect(() => interpretOutputs({ scores: 'words', values: {} }, tensors, 2)).toThrow(strings)
    expect(() => interpretOutputs({ values: { w: 'words' } }, tensors, 2)).toThrow(strings)
  })
  test('a label of several values', () => {
    expect(() => interpretOutputs({ label: 'targets', values: {} }, tensors, 2)).toThrow('outputs.values instead')
  })
  test('half precision', () => {
    expect(() => interpretOutputs({ scores: 'half', values: {} }, tensors, 2)).toThrow('cast it to float')
  })
  test('a tensor that did not come', () => {
    expect(() => interpretOutputs({ scores: 'missing', values: {} }, tensors, 2)).toThrow("did not return 'missing'")
  })
})

test('64-bit integers become floats', () => {
  expect(interpretOutputs({ scores: 'wide', values: {} }, tensors, 2).scores).toEqual(Float32Array.of(2 ** 40, 1))
})

test('class names without a label and without scores give no label', () => {
  expect(interpretOutputs({ values: { t: 'targets' }, labels: ['a'] }, tensors, 2).labels).toBeNull()
})

test('a tensor that is named twice is fetched once, and each name has a buffer of its own to transfer', () => {
  const binding = { scores: 'targets', values: { same: 'targets' } }
  expect(tensorsOf(binding)).toEqual(['targets'])
  const outputs = interpretOutputs(binding, tensors, 2)
  expect(outputs.values.get('same')?.data.buffer).not.toBe(outputs.scores.buffer)
})
