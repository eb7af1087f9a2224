import onnxProto from 'onnx-proto'

const { onnx } = onnxProto
const { AttributeType } = onnx.AttributeProto
export const { DataType } = onnx.TensorProto
export type Node = onnxProto.onnx.INodeProto
export type Value = onnxProto.onnx.IValueInfoProto
export type Graph = onnxProto.onnx.IGraphProto

/** Builds small graphs, as an exporter would. */
export const node = (opType: string, input: string[], output: string[], attribute: Node['attribute'] = []): Node => ({
  opType,
  input,
  output,
  attribute,
  domain: opType === 'ZipMap' ? 'ai.onnx.ml' : '',
})

export const strings = (name: string, values: readonly string[]) => ({
  name,
  type: AttributeType.STRINGS,
  strings: values.map((value) => Buffer.from(value)),
})
export const integers = (name: string, ints: number[]) => ({ name, type: AttributeType.INTS, ints })
export const integer = (name: string, i: number) => ({ name, type: AttributeType.INT, i })

export const tensor = (
  name: string,
  dims: (number | null)[] | undefined,
  elemType: number = DataType.FLOAT,
): Value => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: dims && { dim: dims.map((size) => (size === null ? { dimParam: 'N' } : { dimValue: size })) },
    },
  },
})

export const sequenceOfMaps = (name: string): Value => ({
  name,
  type: {
    sequenceType: {
      elemType: {
        mapType: {
          keyType: DataType.INT64,
          valueType: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [] } } },
        },
      },
    },
  },
})

export const sequenceOfTensors = (name: string): Value => ({
  name,
  type: { sequenceType: { elemType: { tensorType: { elemType: DataType.FLOAT } } } },
})

export function model(graph: Graph, domains: Record<string, number> = { '': 13, 'ai.onnx.ml': 1 }) {
  return onnx.ModelProto.create({
    irVersion: 7,
    producerName: 'test',
    opsetImport: Object.entries(domains).map(([domain, version]) => ({ domain, version })),
    graph: { name: 'graph', ...graph },
  })
}

export const bytesOf = (graph: Graph, domains?: Record<string, number>): Buffer =>
  Buffer.from(onnx.ModelProto.encode(model(graph, domains)).finish())

/** A model of a few hundred bytes that has 2^levels nodes once its functions are unfolded. Scores are what comes in. */
export function billionLaughs(levels: number): Buffer {
  const call = (level: number, from: string, to: string): Node => ({
    opType: level === 0 ? 'Identity' : `F${level}`,
    domain: level === 0 ? '' : 'laughs',
    input: [from],
    output: [to],
  })
  const made = model(
    { input: [tensor('X', [null, 2])], output: [tensor('p', [null, 2])], node: [call(levels, 'X', 'p')] },
    { '': 15, laughs: 1 },
  )
  made.irVersion = 8
  made.functions = Array.from({ length: levels }, (_, index) => ({
    name: `F${index + 1}`,
    domain: 'laughs',
    input: ['x'],
    output: ['z'],
    opsetImport: made.opsetImport,
    node: [call(index, 'x', 'y'), call(index, 'y', 'z')],
  }))
  return Buffer.from(onnx.ModelProto.encode(made).finish())
}
