import onnxProto from 'onnx-proto'
import type { Graph, GraphNode, Model, ValueInfo } from './onnx.js'

const { onnx } = onnxProto
type Opset = onnxProto.onnx.IOperatorSetIdProto

const plumbing: ReadonlySet<string> = new Set(['ZipMap', 'SequenceConstruct', 'Identity'])

export interface Rewired {
  /** the model given when there is nothing to change, else a new one; the one given is never changed */
  readonly model: Model
  /** what was changed, a line each */
  readonly changes: readonly string[]
  /** output → class names in the order of its columns */
  readonly classes: ReadonlyMap<string, readonly string[]>
  /** outputs that were the members of a sequence */
  readonly members: ReadonlySet<string>
}

/**
 * Makes the outputs of a classifier fetchable. The exporters of scikit-learn, LightGBM, CatBoost (and of XGBoost, once) end a classifier in
 * ZipMap, which turns its matrix of probabilities into a sequence of maps, and multi-output ones in SequenceConstruct; neither can be
 * fetched from Node. An output behind a ZipMap becomes the matrix that went into it, under the output's own name; an output that is
 * a sequence of k tensors becomes k outputs, named with a number. Identity nodes in between are seen through.
 *
 * Only models that need it are written anew: onnx-proto knows ONNX 1.10, and what later versions added would be lost.
 */
export function rewire(model: Model): Rewired {
  const graph = model.graph ?? {}
  const producers = new Map<string, GraphNode>()
  for (const node of graph.node ?? []) for (const output of node.output ?? []) producers.set(output, node)

  const changes: string[] = []
  const classes = new Map<string, readonly string[]>()
  const members = new Set<string>()
  const added: GraphNode[] = []
  const outputs = (graph.output ?? []).flatMap((output): ValueInfo[] => {
    const name = output.name ?? ''
    const end = seeThrough(name, producers)
    if (end?.opType === 'ZipMap') {
      const labels = classLabels(end)
      classes.set(name, labels)
      added.push(identity(end.input?.[0] ?? '', name))
      changes.push(`${name}: the scores of ${labels.length} classes as a tensor instead of a sequence of maps (ZipMap)`)
      return [tensorOutput(name, onnx.TensorProto.DataType.FLOAT, [null, labels.length])]
    }
    if (end?.opType === 'SequenceConstruct') {
      const element = output.type?.sequenceType?.elemType?.tensorType?.elemType ?? onnx.TensorProto.DataType.FLOAT
      const sources = end.input ?? []
      const names = sources.map((_, index) => freshName(`${name}_${index}`, producers))
      sources.forEach((source, index) => {
        added.push(identity(source, names[index]!))
        members.add(names[index]!)
      })
      changes.push(`${name}: ${sources.length} tensors (${names.join(', ')}) instead of a sequence`)
      return names.map((each) => tensorOutput(each, element, undefined))
    }
    return [output]
  })
  if (changes.length === 0) return { model, changes, classes, members }
  const replaced = new Set(added.flatMap((node) => node.output ?? []))
  const rewired: Graph = {
    ...graph,
    node: dropUnused(graph.node ?? [], added, replaced, outputs),
    output: outputs,
    // Types declared for what had these names before.
    valueInfo: graph.valueInfo?.filter(({ name }) => !replaced.has(name ?? '')),
  }
  const opsetImport = withDefaultDomain(model.opsetImport ?? [])
  return { model: onnx.ModelProto.create({ ...model, opsetImport, graph: rewired }), changes, classes, members }
}

// CatBoost imports ai.onnx.ml alone, and Identity is of the default domain. Version 9 is as old as any ai.onnx.ml in use.
function withDefaultDomain(imports: readonly Opset[]): Opset[] {
  const imported = imports.some(({ domain }) => !domain || domain === 'ai.onnx')
  return imported ? [...imports] : [...imports, onnx.OperatorSetIdProto.create({ domain: '', version: 9 })]
}

/** The node that makes a tensor, through any Identity between. */
function seeThrough(name: string, producers: ReadonlyMap<string, GraphNode>): GraphNode | undefined {
  let node = producers.get(name)
  // A graph has no cycles, but bytes may say anything.
  for (let hops = 0; node?.opType === 'Identity' && hops < producers.size; hops++)
    node = producers.get(node.input?.[0] ?? '')
  return node
}

function classLabels(zipMap: GraphNode): string[] {
  const attribute = (name: string) => zipMap.attribute?.find((each) => each.name === name)
  const strings = attribute('classlabels_strings')?.strings ?? []
  if (strings.length > 0) return strings.map((bytes) => Buffer.from(bytes).toString('utf8'))
  return (attribute('classlabels_int64s')?.ints ?? []).map(String)
}

const identity = (source: string, name: string): GraphNode =>
  onnx.NodeProto.create({ opType: 'Identity', name: `millrace/${name}`, input: [source], output: [name] })

function tensorOutput(name: string, elemType: number, dims: (number | null)[] | undefined): ValueInfo {
  const shape = dims && { dim: dims.map((size) => (size === null ? { dimParam: 'N' } : { dimValue: size })) }
  return onnx.ValueInfoProto.create({ name, type: { tensorType: { elemType, shape } } })
}

function freshName(wanted: string, producers: ReadonlyMap<string, GraphNode>): string {
  let name = wanted
  while (producers.has(name)) name += '_'
  return name
}

/** `nodes` without those that made what the `added` ones now make, and without the plumbing that only led there. */
function dropUnused(
  nodes: readonly GraphNode[],
  added: readonly GraphNode[],
  replaced: ReadonlySet<string>,
  outputs: readonly ValueInfo[],
): GraphNode[] {
  let kept = nodes.filter((node) => !(node.output ?? []).some((output) => replaced.has(output)))
  for (;;) {
    const used = usedNames([...kept, ...added], outputs)
    const next = kept.filter(
      (node) => !plumbing.has(node.opType ?? '') || node.output?.some((output) => used.has(output)),
    )
    if (next.length === kept.length) return [...kept, ...added]
    kept = next
  }
}

/** Names that are read: by nodes, by the graphs inside them (which see the names around them), or as outputs. */
function usedNames(nodes: readonly GraphNode[], outputs: readonly ValueInfo[]): Set<string> {
  const used = new Set(outputs.map((output) => output.name ?? ''))
  const read = (graphNodes: readonly GraphNode[]): void => {
    for (const node of graphNodes) {
      for (const input of node.input ?? []) used.add(input)
      for (const { g, graphs } of node.attribute ?? [])
        for (const graph of [g, ...(graphs ?? [])]) if (graph) inside(graph)
    }
  }
  const inside = (graph: Graph): void => {
    read(graph.node ?? [])
    for (const output of graph.output ?? []) used.add(output.name ?? '')
  }
  read(nodes)
  return used
}
