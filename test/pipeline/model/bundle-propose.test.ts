import { describe, expect, test } from 'vitest'
import type { Port } from '../../../pipeline/model/onnx.js'
import { avroName, proposeInputs } from '../../../pipeline/model/propose-inputs.js'
import { proposeOutputs } from '../../../pipeline/model/propose-outputs.js'

const port = (name: string, element: string, dims?: (number | null)[], kind: Port['kind'] = 'tensor'): Port => ({
  name,
  element,
  dims,
  kind,
})

describe('the inputs that are proposed', () => {
  test('for an image are one array of all its pixels', () => {
    const { inputs, schemaFields } = proposeInputs([port('pixel_values', 'float32', [null, 3, 8, 8])])
    expect(inputs).toEqual([{ tensor: 'pixel_values', type: 'float32', shape: [3, 8, 8], fields: ['features'] }])
    expect(schemaFields).toEqual([{ name: 'features', type: { type: 'array', items: 'float' } }])
  })

  test('for several tensors are named after them', () => {
    const { inputs, schemaFields } = proposeInputs([
      port('input.ids', 'int64', [null, 16]),
      port('input-ids', 'int64', [null]),
      port('2nd', 'bool', [1, 1]),
    ])
    expect(inputs.map(({ shape, fields }) => [shape, fields])).toEqual([
      [[16], ['input_ids']],
      [[], ['input_ids_2']],
      [[1], ['_2nd']],
    ])
    expect(schemaFields.map(({ type }) => type)).toEqual([{ type: 'array', items: 'long' }, 'long', 'boolean'])
  })

  test('for an open row are as wide as the names that are given', () => {
    expect(proposeInputs([port('x', 'float64', [null, null])], ['a', 'b']).inputs[0]).toMatchObject({
      shape: [2],
      fields: ['a', 'b'],
    })
    expect(() => proposeInputs([port('x', 'float32', [null, 3, null])])).toThrow('open dimensions [?, 3, ?]')
    const { inputs, notes } = proposeInputs([port('x', 'float32')])
    expect(inputs[0]!.shape).toEqual([1])
    expect(notes[0]).toContain('x declares no shape')
  })

  test('cannot hold half floats or sequences', () => {
    expect(() => proposeInputs([port('x', 'float16', [null, 3])])).toThrow('preprocess.onnx that casts')
    expect(() => proposeInputs([port('x', 'float32', undefined, 'sequence')])).toThrow('x is a sequence')
  })
})

describe('the outputs that are proposed', () => {
  const outputs = (...ports: Port[]) => proposeOutputs(ports).outputs

  test('tell label, scores and values by type, then by name', () => {
    const label = port('label', 'int64', [1])
    const scores = port('probabilities', 'float32', [null, 3])
    expect(outputs(label, scores)).toEqual({ label: 'label', scores: 'probabilities' })
    expect(outputs(port('variable', 'float32', [null, 1]))).toEqual({ scores: 'variable' })
    expect(outputs(port('hidden', 'float32', [null, 9]), scores, label)).toEqual({
      label: 'label',
      scores: 'probabilities',
      values: ['hidden'],
    })
    expect(outputs(port('leaf', 'int64', [null, 4]), port('c', 'string', [null]), port('z', 'float64'))).toEqual({
      label: 'c',
      scores: 'z',
      values: ['leaf'],
    })
    expect(outputs(port('argmax', 'int64', [null]))).toEqual({ label: 'argmax' })
  })

  test('leave out what cannot be fetched and say so', () => {
    const { outputs: named, notes } = proposeOutputs([
      port('logits', 'float32', [null, 2]),
      port('half', 'float16', [null, 2]),
      port('maps', 'unknown', undefined, 'sequence'),
    ])
    expect(named).toEqual({ scores: 'logits' })
    expect(notes).toEqual([
      'the output half (float16) is left out: it cannot be fetched',
      'the output maps (sequence) is left out: it cannot be fetched',
    ])
    expect(() => outputs(port('maps', 'unknown', undefined, 'map'))).toThrow('no output can be fetched; there is maps')
  })

  test('carry the class names that the user gives', () => {
    expect(proposeOutputs([port('logits', 'float32')], ['no', 'yes']).outputs).toEqual({
      scores: 'logits',
      labels: ['no', 'yes'],
    })
  })
})

test('any name becomes an Avro name', () => {
  const taken = new Set<string>()
  expect(['a b', 'a-b', 'é', '', '9', 'ok'].map((name) => avroName(name, taken))).toEqual([
    'a_b',
    'a_b_2',
    '_',
    '__2',
    '_9',
    'ok',
  ])
})
