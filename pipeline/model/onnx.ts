import onnxProto from 'onnx-proto'
import { MillraceError } from '../../stages/errors.js'
import type { TensorType } from '../../stages/ports.js'
import { findExternalData } from './external-data.js'

const { onnx } = onnxProto
export type Model = onnxProto.onnx.ModelProto
export type Graph = onnxProto.onnx.IGraphProto
export type GraphNode = onnxProto.onnx.INodeProto
export type ValueInfo = onnxProto.onnx.IValueInfoProto

/** A protobuf message cannot be larger than 2 GiB; a bundle not larger than this. */
export const maxModelBytes = 1024 * 1024 * 1024

const elementTypes: Readonly<Record<number, string>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
}

/** Element types of ONNX that the tensors of a bundle cannot have: cast them in preprocess.onnx or postprocess.onnx. */
const unbindable: ReadonlySet<string> = new Set(['float16', 'uint32', 'uint64', 'bfloat16', 'unknown'])

/** An input or output of a graph as the model declares it. */
export interface Port {
  readonly name: string
  readonly kind: 'tensor' | 'sequence' | 'map' | 'other'
  /** of a tensor, or of the tensors of a sequence; 'unknown' where it is not declared */
  readonly element: string
  /** with the batch dimension; null for an open dimension; undefined where the rank is not declared */
  readonly dims: readonly (number | null)[] | undefined
}

export interface ModelDescription {
  /** what has to be fed: initializers are not among them */
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
  /** domain → version; '' is ai.onnx */
  readonly opsets: ReadonlyMap<string, number>
  /** such as `skl2onnx 1.20.0` */
  readonly producer: string
  readonly metadata: ReadonlyMap<string, string>
}

/** Reads an ONNX file; `file` is for messages. Throws `bundle-invalid` for what is not one and for models that keep data in other files. */
export function decodeModel(file: string, bytes: Uint8Array): Model {
  const refuse = (what: string, cause?: unknown) => new MillraceError('bundle-invalid', `${file}: ${what}`, { cause })
  if (bytes.length > maxModelBytes) throw refuse(`${bytes.length} bytes; a model has at most ${maxModelBytes}`)
  let model: Model
  let external: string | undefined
  try {
    model = onnx.ModelProto.decode(bytes)
    external = findExternalData(bytes)
  } catch (cause) {
    throw refuse(`not an ONNX model: ${(cause as Error).message.replace(/\p{Cc}+/gu, ' ')}`, cause)
  }
  // Any bytes may happen to be a protobuf message; a model has a graph with outputs.
  if (!model.graph?.output?.length) throw refuse('not an ONNX model: it has no outputs')
  if (external) throw refuse(`the tensor ${JSON.stringify(external)} is in another file; save the model as one file`)
  return model
}

export const encodeModel = (model: Model): Buffer => Buffer.from(onnx.ModelProto.encode(model).finish())

export function describeModel(model: Model): ModelDescription {
  const graph = model.graph ?? {}
  const stored = new Set([
    ...(graph.initializer ?? []).map((tensor) => tensor.name),
    ...(graph.sparseInitializer ?? []).map((tensor) => tensor.values?.name),
  ])
  return {
    inputs: (graph.input ?? []).filter((input) => !stored.has(input.name)).map(port),
    outputs: (graph.output ?? []).map(port),
    opsets: new Map((model.opsetImport ?? []).map(({ domain, version }) => [domain ?? '', Number(version ?? 0)])),
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(' '),
    metadata: new Map((model.metadataProps ?? []).map(({ key, value }) => [key ?? '', value ?? ''])),
  }
}

/** The type that a binding may have for a declared element type, if any. */
export const bindableType = (element: string): TensorType | undefined =>
  unbindable.has(element) ? undefined : (element as TensorType)

function port({ name, type }: ValueInfo): Port {
  const tensor = type?.tensorType ?? type?.sequenceType?.elemType?.tensorType
  const kind = type?.tensorType ? 'tensor' : type?.sequenceType ? 'sequence' : type?.mapType ? 'map' : 'other'
  const dims = type?.tensorType?.shape?.dim?.map(({ dimValue }) =>
    // Exporters write an open dimension as a name, as nothing, as 0 and as -1.
    dimValue != null && Number(dimValue) > 0 ? Number(dimValue) : null,
  )
  return { name: name ?? '', kind, element: elementTypes[tensor?.elemType ?? 0] ?? 'unknown', dims }
}
