/** The guardrails of a worker: what passes a limit is rolled back, by one command however many workers notice. */
import { MillraceError } from '../stages/errors.js'
import { createBackoff } from './backoff.js'
import type { EventLog } from './event-log.js'
import { createGuardrails, type Guardrails } from './guardrails.js'
import { createLogWriter } from './kafka/log-writer.js'
import { readPem } from './kafka-options.js'
import type { ModelCommand } from './messages.js'
import { signCommand } from './model/command-signature.js'
import { signBytes, signerOf } from './model/keys.js'
import { guardrailId } from './swap/control-fold.js'
import type { Swap } from './swap/swap.js'
import type { WorkerClients } from './worker-clients.js'
import type { WorkerScope } from './worker-scope.js'

/**
 * There to be given limits where none are configured. Throws `file-unreadable` or `usage` for a key that is none, and `config-invalid` for one
 * whose signature does not count.
 */
export async function openGuardrails(
  { id, config, live, ending, onClose, log }: WorkerScope,
  { kafka, codec, commandKeys }: WorkerClients,
  swap: Swap,
  events: EventLog,
): Promise<Guardrails> {
  const { guardrails, control, deployment, topics } = config
  const key = await readPem(guardrails?.keyFile ?? control.keyFile)
  if (commandKeys.length > 0 && key !== undefined) {
    const nothing = Buffer.alloc(0)
    // Found out now, and not when a bad model is to be rolled back.
    if (signerOf(nothing, signBytes(nothing, key), commandKeys) === undefined)
      throw new MillraceError(
        'config-invalid',
        `${guardrails?.keyFile === undefined ? 'control' : 'guardrails'}.keyFile: none of control.trustedKeys is its public half`,
      )
  }
  const signed = (command: ModelCommand) => (key === undefined ? command : signCommand(command, deployment, key))
  const writer = createLogWriter(kafka, topics.control)
  onClose(() => writer.close())

  const send = async (command: ModelCommand) => {
    for (const backoff = createBackoff(); !ending.aborted; await backoff.wait(ending))
      try {
        await writer.append(deployment, codec.encodeCommand(signed(command)))
        return
      } catch (error) {
        log.warn({ err: error }, 'the rollback of the guardrails waits for the broker')
      }
  }

  return createGuardrails({
    settings: () => live.current.guardrails,
    watched: () => (swap.wayBack ? swap.active : undefined),
    onTripped({ number, model, digest }, reason) {
      const back = swap.wayBack
      if (!back || swap.active?.number !== number) return
      const command = guardrailId(deployment, number)
      events.emit({ type: 'rolled-back', code: 'guardrail', command, model, digest, generation: number, reason })
      const about = { percent: null, issuedAt: Date.now(), issuer: `guardrail@${id}`, sequence: 0, signature: null }
      void send({ id: command, action: 'ROLLBACK', ...back, ...about })
    },
  })
}
