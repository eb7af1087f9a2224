/** ONNX graphs, changed as graphs: what comes out of it is a model file of sound form, which ONNX Runtime has to judge. */
import fc from 'fast-check'
import onnxProto from 'onnx-proto'
import { type ByteChange, bitFlips, byteChanges, changeBytes } from './change-bytes.js'

const { ModelProto, NodeProto } = onnxProto.onnx
type Model = onnxProto.onnx.ModelProto

/** What it is about is taken modulo how many of it there are. */
export type GraphChange =
  | { readonly node: number; readonly operator: string }
  | { readonly node: number; readonly input: number; readonly from: number }
  | { readonly node: number; readonly attribute: number; readonly entry: number; readonly is: number }
  | { readonly without: number }
  | { readonly again: number }
  | { readonly port: number; readonly dimension: number; readonly is: number }
  | { readonly port: number; readonly element: number }
  | { readonly constant: number; readonly dimension: number; readonly is: number }
  | { readonly constant: number; readonly bytes: readonly ByteChange[] }
  | { readonly opset: number }

/** Operators that change shapes, take memory or time, have bodies, or do not exist. */
const operators = [
  ...['Identity', 'Add', 'Div', 'MatMul', 'Gemm', 'Cast', 'Where', 'ReduceSum', 'Softmax', 'ArgMax', 'NonZero', 'TopK'],
  ...['Reshape', 'Gather', 'GatherND', 'ScatterND', 'Slice', 'Split', 'Concat', 'Squeeze', 'Transpose', 'Pad'],
  ...['Expand', 'Tile', 'ConstantOfShape', 'Range', 'OneHot', 'Resize', 'EyeLike', 'Loop', 'Scan', 'If', 'Nothing'],
]
const which = fc.nat(1_000)
const number = fc.oneof(
  fc.constantFrom(-1, 0, 1, 2, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER, -(2 ** 31)),
  fc.integer({ min: -8, max: 64 }),
)

export const graphChanges: fc.Arbitrary<GraphChange[]> = fc.array(
  fc.oneof(
    fc.record({ node: which, operator: fc.constantFrom(...operators) }),
    fc.record({ node: which, input: fc.nat(4), from: which }),
    fc.record({ node: which, attribute: which, entry: fc.nat(), is: number }),
    fc.record({ without: which }),
    fc.record({ again: which }),
    fc.record({ port: which, dimension: fc.nat(3), is: number }),
    fc.record({ port: which, element: fc.nat(24) }),
    fc.record({ constant: which, dimension: fc.nat(3), is: number }),
    fc.record({ constant: which, bytes: fc.oneof({ weight: 3, arbitrary: bitFlips }, byteChanges) }),
    fc.record({ opset: fc.nat(40) }),
  ),
  { minLength: 1, maxLength: 4 },
)

/** A model file, changed as a graph or as bytes. */
export type ModelChange = { readonly graph: readonly GraphChange[] } | { readonly bytes: readonly ByteChange[] }

export const modelChange: fc.Arbitrary<ModelChange> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ graph: graphChanges }) },
  { weight: 3, arbitrary: fc.record({ bytes: bitFlips }) },
  fc.record({ bytes: byteChanges }),
)

export const changeModel = (file: Buffer, change: ModelChange): Buffer => {
  if ('bytes' in change) return changeBytes(file, change.bytes)
  const model = ModelProto.decode(file)
  for (const one of change.graph) changeOnce(model, one)
  return Buffer.from(ModelProto.encode(model).finish())
}

const nth = <T>(all: readonly T[] | null | undefined, index: number): T | undefined => all?.[index % all.length]

function changeOnce(model: Model, change: GraphChange): void {
  const graph = model.graph!
  const nodes = graph.node ?? []
  const constants = graph.initializer ?? []
  if ('opset' in change) {
    const [first] = model.opsetImport ?? []
    if (first) first.version = change.opset
  } else if ('without' in change) {
    if (nodes.length > 0) nodes.splice(change.without % nodes.length, 1)
  } else if ('again' in change) {
    const node = nth(nodes, change.again)
    if (node) nodes.push(NodeProto.create(node))
  } else if ('node' in change) {
    const node = nth(nodes, change.node)
    if (!node) return
    if ('operator' in change) {
      node.opType = change.operator
      node.domain = ''
    } else if ('attribute' in change) {
      const attribute = nth(node.attribute, change.attribute)
      if (attribute?.ints?.length) attribute.ints[change.entry % attribute.ints.length] = change.is
      else if (attribute) attribute.i = change.is
    } else {
      const names = [...(graph.input ?? []), ...constants].map(({ name }) => name!)
      const from = nth([...names, ...nodes.flatMap(({ output }) => output ?? [])], change.from)
      if (from !== undefined) node.input = (node.input ?? []).toSpliced(change.input, 1, from)
    }
  } else if ('port' in change) {
    const tensor = nth([...(graph.input ?? []), ...(graph.output ?? [])], change.port)?.type?.tensorType
    if (!tensor) return
    if ('element' in change) tensor.elemType = change.element
    else {
      const dimension = nth(tensor.shape?.dim, change.dimension)
      if (dimension) Object.assign(dimension, { dimParam: null, dimValue: change.is })
    }
  } else {
    const constant = nth(constants, change.constant)
    if (!constant) return
    if ('bytes' in change) constant.rawData = changeBytes(Buffer.from(constant.rawData ?? []), change.bytes)
    else constant.dims = (constant.dims ?? []).toSpliced(change.dimension, 1, change.is)
  }
}
