import { InferenceSession, Tensor } from 'onnxruntime-node'
import { InferenceError, type TensorData, type TensorPlan } from '../../stages/ports.js'
import { type ChainPlan, type GraphFile, planChain, UnfitError } from './chain.js'
import type { RowTensor } from './outputs.js'
import type { StartTimer } from './stopwatch.js'

export interface GraphBytes {
  readonly file: GraphFile
  readonly bytes: Uint8Array
}

interface Graph {
  readonly file: GraphFile
  readonly session: InferenceSession
}

/** The loaded graphs of a bundle. Worker threads only: `create` and `run` of ONNX Runtime block the thread that calls them. */
export class SessionChain {
  /** milliseconds that each graph has run so far, by file */
  readonly spentMs = new Map<GraphFile, number>()

  private constructor(
    private readonly graphs: readonly Graph[],
    private readonly plan: ChainPlan,
    private readonly inputs: readonly TensorPlan[],
    /** inputs whose declared rank leaves no room for a batch dimension */
    private readonly unbatched: ReadonlySet<string>,
    private readonly startTimer: StartTimer,
  ) {}

  /** Throws `UnfitError` when bundle and graphs contradict each other, ONNX Runtime's error when a graph cannot be loaded. */
  static async load(
    files: readonly GraphBytes[],
    inputs: readonly TensorPlan[],
    wanted: readonly string[],
    intraOpNumThreads: number,
    startTimer: StartTimer,
  ): Promise<SessionChain> {
    const graphs: Graph[] = []
    for (const { file, bytes } of files)
      graphs.push({ file, session: await createSession(file, bytes, intraOpNumThreads) })
    const names = graphs.map(({ file, session }) => ({
      file,
      inputs: session.inputNames,
      outputs: session.outputNames,
    }))
    const plan = planChain(
      names,
      inputs.map((input) => input.tensor),
      wanted,
    )
    const unbatched = new Set<string>()
    for (const { file, session } of graphs) {
      for (const input of inputs) {
        if (checkDeclared(file, session, input) === 'unbatched') unbatched.add(input.tensor)
      }
    }
    return new SessionChain(graphs, plan, inputs, unbatched, startTimer)
  }

  /** The batch sizes that the graphs declare, the first graph's first; empty when any number of rows is declared to do. */
  get declaredBatches(): readonly number[] {
    if (this.unbatched.size > 0) return [1]
    const first = this.graphs.flatMap(({ session }) =>
      session.inputMetadata.map((input) => (input.isTensor ? input.shape[0] : undefined)),
    )
    return [...new Set(first.filter((size) => typeof size === 'number' && size > 0))] as number[]
  }

  /**
   * Runs all graphs on `rows` rows. The result is by tensor name, as ONNX Runtime gives it: what its dimensions mean is `perRow`'s to say.
   * Throws `InferenceError` when ONNX Runtime fails, `UnfitError` when it does not take the form of what one graph hands to the next.
   */
  async run(columns: readonly TensorData[], rows: number): Promise<Map<string, Tensor>> {
    const made: Map<string, Tensor>[] = [new Map()]
    this.inputs.forEach((input, index) => {
      const dims = this.unbatched.has(input.tensor) ? input.shape : [rows, ...input.shape]
      made[0]?.set(input.tensor, new Tensor(input.type as 'float32', columns[index] as Float32Array, dims))
    })
    for (const [index, { file, session }] of this.graphs.entries()) {
      const step = this.plan.steps[index] as ChainPlan['steps'][number]
      const feeds: Record<string, Tensor> = {}
      for (const [input, source] of step.feeds) feeds[input] = made[source.step]?.get(source.tensor) as Tensor
      const elapsed = this.startTimer()
      made.push(new Map(Object.entries(await runSession(file, session, feeds, step.fetches))))
      this.spentMs.set(file, (this.spentMs.get(file) ?? 0) + elapsed())
    }
    return new Map(
      [...this.plan.results].map(([name, source]) => [name, made[source.step]?.get(source.tensor) as Tensor]),
    )
  }

  /** Frees the sessions. Not while a run is going on. */
  async release(): Promise<void> {
    for (const { session } of this.graphs) await session.release()
  }
}

async function createSession(file: string, bytes: Uint8Array, intraOpNumThreads: number): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      executionMode: 'sequential',
      intraOpNumThreads,
      interOpNumThreads: 1,
      // Errors arrive as exceptions; the copies that ONNX Runtime prints on stderr would be one per poison record.
      logSeverityLevel: 4,
    })
  } catch (error) {
    throw new Error(`${file}: ${oneLine(error)}`, { cause: error })
  }
}

async function runSession(
  file: string,
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  fetches: readonly string[],
): Promise<Record<string, Tensor>> {
  try {
    return (await session.run(feeds, fetches)) as Record<string, Tensor>
  } catch (error) {
    const reason = `${file}: ${oneLine(error)}`
    // Refused before anything ran: what reaches this graph is not what it declares, whatever the rows are.
    if (/Unexpected input data type|Got invalid dimensions|Invalid rank for input/i.test(reason)) {
      throw new UnfitError(reason)
    }
    throw new InferenceError(reason, { cause: error })
  }
}

/** Compares a bound tensor with what the graph declares of the input of that name. Symbolic dimensions fit everything. */
function checkDeclared(file: string, session: InferenceSession, input: TensorPlan): 'batched' | 'unbatched' {
  const declared = session.inputMetadata.find((metadata) => metadata.name === input.tensor)
  if (!declared) return 'batched'
  if (!declared.isTensor) throw new UnfitError(`the input '${input.tensor}' of ${file} is not a tensor`)
  if (declared.type !== input.type) {
    throw new UnfitError(`the bundle binds '${input.tensor}' as ${input.type}, but ${file} declares ${declared.type}`)
  }
  // A scalar and an input without a declared shape look alike here: the warm-up tells.
  if (declared.shape.length === 0) return 'batched'
  if (fits(declared.shape.slice(1), input.shape)) return 'batched'
  if (fits(declared.shape, input.shape)) return 'unbatched'
  throw new UnfitError(
    `a row of '${input.tensor}' is [${input.shape.join(', ')}] in the bundle, but ${file} declares [${declared.shape.join(', ')}]`,
  )
}

function fits(declared: readonly (number | string)[], shape: readonly number[]): boolean {
  if (declared.length !== shape.length) return false
  return declared.every((size, index) => typeof size !== 'number' || size <= 0 || size === shape[index])
}

/**
 * What a tensor says of each of `rows` rows. The declared shape is not asked, for it is often wrong: when the first dimension is the number of
 * rows the others are the row's; of a single row the whole tensor is what was said of it. Undefined when neither holds.
 */
export function perRow(tensor: Tensor, rows: number): RowTensor | undefined {
  const data = tensor.data as RowTensor['data']
  if (rows > 0 && tensor.dims[0] === rows) return { type: tensor.type, data, width: data.length / rows }
  if (rows === 1) return { type: tensor.type, data, width: data.length }
  return undefined
}

/** ONNX Runtime's message without line breaks and without the paths of the machine it was built on. */
export function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message
    .replace(/\/\S*\/onnxruntime\/\S+/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 500)
}
