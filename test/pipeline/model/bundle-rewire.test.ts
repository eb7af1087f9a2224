import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { decodeModel, describeModel, encodeModel } from '../../../pipeline/model/onnx.js'
import { rewire } from '../../../pipeline/model/rewire.js'
import { MillraceError } from '../../../stages/errors.js'
import {
  bytesOf,
  DataType,
  type Graph,
  integer,
  integers,
  model,
  node,
  sequenceOfMaps,
  sequenceOfTensors,
  strings,
  tensor,
} from './onnx-fixture.js'

const classes = ['ham', 'spam']
const zipMap = (input: string, output: string) =>
  node('ZipMap', [input], [output], [strings('classlabels_strings', classes)])
const softmax = node('Softmax', ['X'], ['matrix'], [integer('axis', 1)])
const input = [tensor('X', [null, 2])]

async function run(graph: Graph, domains?: Record<string, number>): Promise<Record<string, number[][]>> {
  const { model: rewired } = rewire(decodeModel('model.onnx', bytesOf(graph, domains)))
  const session = await InferenceSession.create(encodeModel(rewired))
  const results = await session.run({ X: new Tensor('float32', [0, 0, 10, 0], [2, 2]) })
  const rows = Object.entries(results).map(([name, { data, dims }]) => {
    const width = dims[1] ?? 1
    const numbers = Array.from(data as Float32Array, (value) => Math.round(value * 100) / 100)
    return [name, [numbers.slice(0, width), numbers.slice(width)]]
  })
  await session.release()
  return Object.fromEntries(rows)
}

describe('an output that cannot be fetched', () => {
  test('because of a ZipMap becomes the matrix behind it, under its own name', async () => {
    const graph = {
      input,
      output: [sequenceOfMaps('probabilities')],
      node: [softmax, zipMap('matrix', 'probabilities')],
    }
    expect(await run(graph)).toEqual({
      probabilities: [
        [0.5, 0.5],
        [1, 0],
      ],
    })
    const { changes, classes: found, model: rewired } = rewire(model(graph))
    expect(changes).toEqual([
      'probabilities: the scores of 2 classes as a tensor instead of a sequence of maps (ZipMap)',
    ])
    expect(found).toEqual(new Map([['probabilities', classes]]))
    expect(rewired.graph!.node!.map(({ opType }) => opType)).toEqual(['Softmax', 'Identity'])
    expect(describeModel(rewired).outputs).toEqual([
      { name: 'probabilities', kind: 'tensor', element: 'float32', dims: [null, 2] },
    ])
  })

  test('is found through Identity nodes, and the idle ones go', async () => {
    const graph = {
      input,
      output: [sequenceOfMaps('probabilities')],
      node: [
        softmax,
        node('Identity', ['matrix'], ['copy']),
        zipMap('copy', 'zipped'),
        node('Identity', ['zipped'], ['once']),
        node('Identity', ['once'], ['probabilities']),
      ],
    }
    expect(await run(graph)).toEqual({
      probabilities: [
        [0.5, 0.5],
        [1, 0],
      ],
    })
    const kept = rewire(model(graph)).model.graph!.node!.map(({ output }) => output![0])
    expect(kept).toEqual(['matrix', 'copy', 'probabilities'])
  })

  test('leaves its neighbours alone, also when they show the same matrix', async () => {
    const graph = {
      input,
      output: [tensor('matrix', [null, 2]), sequenceOfMaps('a'), sequenceOfMaps('b')],
      node: [softmax, zipMap('matrix', 'a'), node('Identity', ['a'], ['b'])],
    }
    const rows = [
      [0.5, 0.5],
      [1, 0],
    ]
    expect(await run(graph)).toEqual({ matrix: rows, a: rows, b: rows })
  })

  test('because it is a sequence of tensors becomes one output for each', async () => {
    const graph = {
      input,
      output: [sequenceOfTensors('both')],
      node: [softmax, node('Neg', ['X'], ['minus']), node('SequenceConstruct', ['matrix', 'minus'], ['both'])],
    }
    expect(await run(graph)).toEqual({
      both_0: [
        [0.5, 0.5],
        [1, 0],
      ],
      both_1: [
        [-0, -0],
        [-10, -0],
      ],
    })
    expect(rewire(model(graph)).members).toEqual(new Set(['both_0', 'both_1']))
  })

  test('is rewired in a model that imports ai.onnx.ml alone', async () => {
    const normalizer = {
      ...node('Normalizer', ['X'], ['matrix'], [{ name: 'norm', type: 3, s: Buffer.from('MAX') }]),
      domain: 'ai.onnx.ml',
    }
    const graph = { input, output: [sequenceOfMaps('p')], node: [normalizer, zipMap('matrix', 'p')] }
    expect((await run(graph, { 'ai.onnx.ml': 1 })).p![1]).toEqual([1, 0])
  })
})

test('integer class labels are reported as decimal strings', () => {
  const zip = node('ZipMap', ['X'], ['p'], [integers('classlabels_int64s', [3, 7])])
  expect(rewire(model({ input, output: [sequenceOfMaps('p')], node: [zip] })).classes.get('p')).toEqual(['3', '7'])
})

test('a model without such outputs is returned as it is, and the one given is never changed', () => {
  const plain = model({ input, output: [tensor('matrix', [null, 2])], node: [softmax] })
  expect(rewire(plain)).toMatchObject({ model: plain, changes: [] })
  const zipped = model({ input, output: [sequenceOfMaps('p')], node: [softmax, zipMap('matrix', 'p')] })
  const before = encodeModel(zipped)
  rewire(zipped)
  expect(encodeModel(zipped)).toEqual(before)
})

test('a graph whose Identity nodes go in a circle does not hang', () => {
  const circle = [node('Identity', ['b'], ['a']), node('Identity', ['a'], ['b'])]
  expect(rewire(model({ input, output: [tensor('a', [null])], node: circle })).changes).toEqual([])
})

describe('reading a model', () => {
  test('tells inputs from initializers, and every kind of output', () => {
    const description = describeModel(
      decodeModel(
        'model.onnx',
        bytesOf({
          input: [tensor('X', [null, 2]), tensor('W', [2, 2]), tensor('open', undefined, DataType.STRING)],
          initializer: [{ name: 'W', dims: [2, 2], dataType: DataType.FLOAT, floatData: [1, 2, 3, 4] }],
          output: [tensor('scalar', [], DataType.INT64), sequenceOfTensors('s'), sequenceOfMaps('m')],
        }),
      ),
    )
    expect(description.inputs).toEqual([
      { name: 'X', kind: 'tensor', element: 'float32', dims: [null, 2] },
      { name: 'open', kind: 'tensor', element: 'string', dims: undefined },
    ])
    expect(description.outputs.map(({ kind, element, dims }) => [kind, element, dims])).toEqual([
      ['tensor', 'int64', []],
      ['sequence', 'float32', undefined],
      ['sequence', 'unknown', undefined],
    ])
    expect(description.opsets).toEqual(
      new Map([
        ['', 13],
        ['ai.onnx.ml', 1],
      ]),
    )
    expect(description.producer).toBe('test')
  })

  const external = {
    name: 'W',
    dims: [1],
    dataType: 1,
    dataLocation: 1,
    externalData: [{ key: 'location', value: '/etc/passwd' }],
  }
  const output = [tensor('y', [null])]
  test.each<[string, Graph]>([
    ['an initializer', { output, initializer: [external] }],
    ['a constant', { output, node: [node('Constant', [], ['y'], [{ name: 'value', type: 4, t: external }])] }],
    [
      'a branch',
      { output, node: [node('If', ['c'], ['y'], [{ name: 'then_branch', type: 5, g: { initializer: [external] } }])] },
    ],
    ['values of a sparse tensor', { output, sparseInitializer: [{ values: external, dims: [1] }] }],
    [
      'indices of a sparse constant',
      {
        output,
        node: [node('Constant', [], ['y'], [{ name: 'sparse_value', type: 11, sparseTensor: { indices: external } }])],
      },
    ],
  ])('refuses data in another file: %s', (_, graph) => {
    expect(() => decodeModel('model.onnx', bytesOf(graph))).toThrow('"W" is in another file')
  })

  test('refuses data in another file that a decoder would not see', () => {
    const [hidden, shown] = [bytesOf({ output, initializer: [external] }), bytesOf({ output })]
    expect(() => decodeModel('model.onnx', Buffer.concat([hidden, shown]))).toThrow('"W" is in another file')
    // functions (25) { attribute_proto (11) { t (5) { data_location (14): EXTERNAL } } }
    const inFunction = Buffer.from([(25 * 8 + 2) | 0x80, 1, 6, 11 * 8 + 2, 4, 5 * 8 + 2, 2, 14 * 8, 1])
    expect(() => decodeModel('model.onnx', Buffer.concat([shown, inFunction]))).toThrow('"without a name"')
  })

  test.each([
    ['no bytes', Buffer.alloc(0)],
    ['text', Buffer.from('<html>not found</html>')],
    ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n')],
    ['a truncated model', bytesOf({ output: [tensor('y', [null])] }).subarray(0, -3)],
    ['a graph nested deeper than the stack', nested(20_000)],
  ])('refuses what is not one: %s', (_, bytes) => {
    expect(() => decodeModel('model.onnx', bytes)).toThrow(/model\.onnx: not an ONNX model/)
  })
})

test('a damaged model is refused with its own error or handled, never anything else', async () => {
  const sound = await readFile(join(import.meta.dirname, '../../fixtures/onnx/sklearn-forest.onnx'))
  const damage = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(damage, fc.nat(sound.length), (changes, length) => {
      const bytes = Buffer.from(sound)
      for (const [at, value] of changes) bytes[at] = value
      try {
        const { model: rewired } = rewire(decodeModel('model.onnx', length % 2 ? bytes : bytes.subarray(0, length)))
        describeModel(decodeModel('model.onnx', encodeModel(rewired)))
      } catch (error) {
        expect(error).toBeInstanceOf(MillraceError)
      }
    }),
    { numRuns: 1000 },
  )
})

/** A graph in an attribute of a node of a graph, and so on. */
function nested(levels: number): Buffer {
  const fields = { model: 7, node: 1, attribute: 5, graph: 6 }
  const headers: Buffer[] = []
  let length = 0
  const wrap = (field: number) => {
    const size: number[] = []
    for (let rest = length; ; rest >>>= 7) {
      size.push(rest > 127 ? (rest & 127) | 128 : rest)
      if (rest <= 127) break
    }
    headers.push(Buffer.of((field << 3) | 2, ...size))
    length += 1 + size.length
  }
  for (let level = 0; level < levels; level++)
    for (const field of [fields.graph, fields.attribute, fields.node]) wrap(field)
  wrap(fields.model)
  return Buffer.concat(headers.reverse())
}
