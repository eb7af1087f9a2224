/** Entry of the thread in the verifier's child process in which the gates run: the process's own loop stays free to hear that it is alone. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { runGates } from './verify-gates.js'
import type { FromVerifier, VerifyWork } from './verify-messages.js'

const port = parentPort as MessagePort
const { job, forwarded } = workerData as VerifyWork
let posted = 0

/** Returns once the message has left the process: what comes next may kill it, and the parent is to know what that was. */
function post(message: FromVerifier): void {
  port.postMessage(message)
  Atomics.wait(forwarded, 0, posted++, 1000)
}

await runGates(job, {
  read: ({ ref, digest }) => post({ kind: 'read', ref, digest }),
  begin: (gate) => post({ kind: 'begin', gate }),
  end: (gate) => post({ kind: 'end', gate }),
  costs: (costs) => post({ kind: 'costs', costs }),
})
post({ kind: 'done' })
