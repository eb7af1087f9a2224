// Preloaded into the workers: on SIGUSR2 the inference threads of the process die at their next run, as if the runtime had crashed under them.
import { BroadcastChannel, isMainThread, workerData } from 'node:worker_threads'
import type { InferenceSession } from 'onnxruntime-node'

const channel = new BroadcastChannel('mortal')
channel.unref()
if (isMainThread) process.on('SIGUSR2', () => channel.postMessage('die'))
else if (workerData?.graphs !== undefined) {
  const { InferenceSession } = await import('onnxruntime-node')
  const { prototype } = InferenceSession as unknown as { prototype: InferenceSession }
  const { run } = prototype
  let doomed = false
  channel.onmessage = () => {
    doomed = true
  }
  const mortal = function (this: InferenceSession, ...call: Parameters<typeof run>) {
    if (doomed) process.exit(3)
    return run.apply(this, call)
  }
  Object.assign(prototype, { run: mortal })
}
