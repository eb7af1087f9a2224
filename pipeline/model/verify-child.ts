/**
 * Entry of the child process that verifies one bundle. It is told what to do in one message, passes on what its thread finds, and is ended by
 * its parent. Should the parent be gone first, it ends itself, in the middle of a run as well.
 */
import { writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { FromVerifier, VerifyJob, VerifyWork } from './verify-messages.js'

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
try {
  // When memory runs out altogether, the kernel is to end this process and no other.
  writeFileSync('/proc/self/oom_score_adj', '1000')
} catch {
  // Not Linux.
}
try {
  // Whoever scores on this machine comes first. The thread below inherits it.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
} catch {
  // Not allowed here.
}
process.once('message', (job: VerifyJob) => {
  const forwarded = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('./verify-worker.js', import.meta.url), {
    workerData: { job, forwarded } satisfies VerifyWork,
  })
  worker.on('message', (message: FromVerifier) => {
    process.send?.(message, () => {
      Atomics.add(forwarded, 0, 1)
      Atomics.notify(forwarded, 0)
    })
  })
  worker.on('error', (error) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(1))
  })
})
