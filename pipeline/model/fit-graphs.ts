import { MillraceError } from '../../stages/errors.js'
import type { TensorPlan } from '../../stages/ports.js'
import type { Bundle } from './bundle.js'
import { graphsOf, planChain } from './chain.js'
import { rowWidth } from './manifest.js'
import { decodeModel, describeModel, type ModelDescription, type Port } from './onnx.js'
import { tensorsOf } from './outputs.js'

/**
 * Compares a bundle with what its graphs declare: every input is bound, types and row shapes agree, and the named outputs are tensors.
 * Returns a line that describes the model. Throws `model-unfit`, or `bundle-invalid` when a graph cannot be read.
 */
export function fitGraphs({ manifest, plan, files }: Bundle): string {
  const graphs = graphsOf(files).map(({ file, bytes }) => ({ file, ...describeModel(decodeModel(file, bytes)) }))
  const chain = unfitIfThrown(() =>
    planChain(
      graphs.map(({ file, inputs, outputs }) => ({ file, inputs: names(inputs), outputs: names(outputs) })),
      plan.inputs.map(({ tensor }) => tensor),
      tensorsOf(manifest.outputs),
    ),
  )
  const bound = new Map(plan.inputs.map((input) => [input.tensor, input]))
  chain.steps.forEach(({ feeds }, step) => {
    const { file, inputs } = graphs[step]!
    for (const port of inputs) {
      const source = feeds.get(port.name)
      const input = source?.step === 0 ? bound.get(source.tensor) : undefined
      if (input) fitInput(file, port, input)
    }
  })
  for (const [tensor, { step }] of chain.results) {
    const { file, outputs } = graphs[step - 1]!
    const port = outputs.find(({ name }) => name === tensor)!
    if (port.kind === 'sequence' || port.kind === 'map')
      throw unfit(
        `the output '${tensor}' of ${file} is a ${port.kind}, which cannot be fetched; \`millrace bundle init\` rewires it`,
      )
  }
  return describe(graphs.find(({ file }) => file === 'model.onnx')!)
}

function fitInput(file: string, port: Port, input: TensorPlan): void {
  if (port.kind !== 'tensor' && port.kind !== 'other')
    throw unfit(`the input '${port.name}' of ${file} is a ${port.kind}`)
  if (port.element !== 'unknown' && port.element !== input.type)
    throw unfit(`the bundle binds '${port.name}' as ${input.type}, ${file} takes ${port.element}`)
  const { dims } = port
  if (!dims) return
  const row = dims.slice(1)
  // A graph that declares no batch dimension at all takes one row at a time, as it is.
  const agree = row.length === input.shape.length && row.every((size, i) => size === null || size === input.shape[i])
  const bare = dims.length === input.shape.length && dims.every((size, i) => size === null || size === input.shape[i])
  if (!agree && !bare)
    throw unfit(
      `the bundle binds '${port.name}' with rows of [${input.shape}] (${rowWidth(input.shape)} columns), ${file} takes [${dims.map((size) => size ?? '?')}]`,
    )
}

function describe({ inputs, outputs, opsets, producer }: ModelDescription): string {
  const domains = [...opsets].map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`).join(', ')
  return `${names(inputs).join(', ')} → ${names(outputs).join(', ')}; ${producer || 'unknown producer'}; ${domains}`
}

const names = (ports: readonly Port[]): string[] => ports.map(({ name }) => name)
const unfit = (what: string, cause?: unknown) => new MillraceError('model-unfit', what, { cause })

function unfitIfThrown<T>(run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw unfit((cause as Error).message, cause)
  }
}
