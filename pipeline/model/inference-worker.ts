/**
 * Entry of the worker thread that holds the sessions of one bundle after another. It scores one call after the other, and leaves by itself
 * when told to close: terminating a thread in the middle of a run would abort the whole process.
 */
import { type MessagePort, parentPort } from 'node:worker_threads'
import { InferenceError, type Outputs } from '../../stages/ports.js'
import { BatchedModel } from './batched-model.js'
import { UnfitError } from './chain.js'
import { tensorsOf } from './outputs.js'
import { type PackedLabels, packLabels } from './packed-labels.js'
import { oneLine, SessionChain } from './session-chain.js'
import { stageTimes } from './stage-budget.js'
import { startWallClock } from './stopwatch.js'
import { buffersOf } from './tensors.js'
import type { FromWorker, InferenceJob, ToWorker } from './worker-messages.js'

const port = parentPort as MessagePort
const post = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)

let chain: SessionChain | undefined
let model: BatchedModel | undefined

async function load(job: InferenceJob): Promise<void> {
  try {
    chain = await SessionChain.load(job.graphs, job.inputs, tensorsOf(job.outputs), job.intraOpThreads, startWallClock)
    model = new BatchedModel(chain, job.inputs, job.outputs)
    await model.warmUp()
    post({ kind: 'loaded' })
  } catch (error) {
    const code = error instanceof UnfitError ? 'model-unfit' : 'model-load-failed'
    post({ kind: 'unusable', code, detail: oneLine(error) })
  }
}

async function score({ id, columns, count }: Extract<ToWorker, { kind: 'score' }>): Promise<void> {
  const used = buffersOf(columns)
  try {
    const before = new Map(chain?.spentMs)
    const outputs = await (model as BatchedModel).score(columns, count)
    const spent = { rows: count, ms: stageTimes(chain?.spentMs ?? before, before) }
    const labels = outputs.labels && packLabels(outputs.labels)
    const buffers = outputBuffers(outputs, labels)
    post({ kind: 'scored', id, outputs: { ...outputs, labels: null, spent }, labels, used }, [...buffers, ...used])
  } catch (error) {
    // Outputs that do not fit here did fit in the warm-up: it is these rows that make the difference.
    const rowsAtFault = error instanceof InferenceError || error instanceof UnfitError
    post({ kind: 'failed', id, rowsAtFault, reason: oneLine(error), used }, used)
  }
}

function outputBuffers(outputs: Outputs, labels: PackedLabels | null): ArrayBuffer[] {
  // One tensor may be named twice, but every Float32Array here has a buffer of its own: interpretOutputs copies.
  const buffers = buffersOf([outputs.scores, ...[...outputs.values.values()].map((value) => value.data)])
  return labels ? [...buffers, labels.rows.buffer as ArrayBuffer] : buffers
}

async function release(): Promise<void> {
  await chain?.release()
  chain = model = undefined
}

async function close(): Promise<void> {
  port.close()
  await release()
}

async function unload(): Promise<void> {
  await release()
  post({ kind: 'unloaded' })
}

async function obey(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'load':
      return load(message.job)
    case 'score':
      return score(message)
    case 'unload':
      return unload()
    case 'close':
      return close()
  }
}

// Session runs are asynchronous in form only; a queue keeps calls from waking up between the graphs of another.
let last: Promise<void> = Promise.resolve()
port.on('message', (message: ToWorker) => {
  last = last.then(() => obey(message))
})
