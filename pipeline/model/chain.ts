/**
 * How the graphs of a bundle are joined: preprocess.onnx → model.onnx → postprocess.onnx, of which the first and the last may be missing.
 * A graph takes its inputs from the outputs of the one before: by name, or, where that has one output and this has one input, by
 * position (exporters name both as they please). A tensor that the graph before neither took nor made passes it by.
 */

/** The graphs of a bundle in the order in which they run; each of them is optional but the model. */
export const graphFiles = ['preprocess.onnx', 'model.onnx', 'postprocess.onnx'] as const

export type GraphFile = (typeof graphFiles)[number]

/** The graphs that are among the files of a bundle, in that order. */
export function graphsOf(files: ReadonlyMap<string, Buffer>): { readonly file: GraphFile; readonly bytes: Buffer }[] {
  return graphFiles.flatMap((file) => {
    const bytes = files.get(file)
    return bytes ? [{ file, bytes }] : []
  })
}

export interface GraphNames {
  /** file name in the bundle, for messages */
  readonly file: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

/** A tensor and where it comes from: step 0 is the bound tensors, step n the outputs of the n-th graph. */
export interface TensorSource {
  readonly step: number
  readonly tensor: string
}

export interface ChainPlan {
  /** one per graph: input name → source, and the outputs that anyone needs */
  readonly steps: readonly { readonly feeds: ReadonlyMap<string, TensorSource>; readonly fetches: readonly string[] }[]
  /** tensor that the bundle names as an output → source */
  readonly results: ReadonlyMap<string, TensorSource>
}

/** The bundle and its graphs contradict each other; the message is one line. */
export class UnfitError extends Error {
  override readonly name = 'UnfitError'
}

/**
 * `bound`: the tensors that records are bound to; `wanted`: the tensors that the bundle names as outputs, looked for in the last graph
 * and then in the model. Throws `UnfitError` when a name is missing on either side, for ONNX Runtime ignores feeds it does not know.
 */
export function planChain(
  graphs: readonly GraphNames[],
  bound: readonly string[],
  wanted: readonly string[],
): ChainPlan {
  let available = new Map<string, TensorSource>(bound.map((tensor) => [tensor, { step: 0, tensor }]))
  let previous: readonly string[] = []
  const used = graphs.map(() => new Set<string>())
  const feeds = graphs.map((graph, index) => {
    const fed = new Map<string, TensorSource>()
    const taken = new Set<string>()
    for (const input of graph.inputs) {
      const alone = graph.inputs.length === 1 && previous.length === 1
      const name = alone ? (previous[0] as string) : input
      const source = available.get(name)
      if (!source)
        throw new UnfitError(`${graph.file} needs the input '${input}'; there is ${list([...available.keys()])}`)
      fed.set(input, source)
      taken.add(name)
      if (source.step > 0) used[source.step - 1]?.add(source.tensor)
    }
    const passing = [...available].filter(([name]) => !taken.has(name))
    available = new Map([...passing, ...graph.outputs.map((tensor) => [tensor, { step: index + 1, tensor }] as const)])
    previous = graph.outputs
    return fed
  })
  requireAllBoundUsed(graphs, bound, feeds)
  const results = new Map(wanted.map((tensor) => [tensor, resultSource(graphs, tensor)]))
  for (const source of results.values()) used[source.step - 1]?.add(source.tensor)
  return { steps: feeds.map((fed, index) => ({ feeds: fed, fetches: [...(used[index] as Set<string>)] })), results }
}

function requireAllBoundUsed(
  graphs: readonly GraphNames[],
  bound: readonly string[],
  feeds: readonly ReadonlyMap<string, TensorSource>[],
): void {
  const used = new Set(feeds.flatMap((fed) => [...fed.values()].filter((s) => s.step === 0).map((s) => s.tensor)))
  const idle = bound.find((tensor) => !used.has(tensor))
  if (idle === undefined) return
  throw new UnfitError(
    `the bundle binds the tensor '${idle}', but the inputs of ${graphs[0]?.file} are ${list(graphs[0]?.inputs ?? [])}`,
  )
}

function resultSource(graphs: readonly GraphNames[], tensor: string): TensorSource {
  for (let step = graphs.length; step > 0; step--) {
    const graph = graphs[step - 1] as GraphNames
    if (graph.outputs.includes(tensor)) return { step, tensor }
    if (graph.file === 'model.onnx') break
  }
  const offered = graphs.filter((graph) => graph.file !== 'preprocess.onnx').flatMap((graph) => graph.outputs)
  throw new UnfitError(`the bundle names the output '${tensor}', but the model's outputs are ${list(offered)}`)
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => `'${name}'`).join(', ')
}
