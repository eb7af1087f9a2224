/** Commands to a deployment from a worker of it, on behalf of whoever may tell it so. */
import { randomUUID } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import { MillraceError } from '../stages/errors.js'
import type { Config } from './config.js'
import type { CommandRequest } from './http/ports.js'
import { createLogWriter } from './kafka/log-writer.js'
import { readPem } from './kafka-options.js'
import type { ModelCommand } from './messages.js'
import { signCommand, verifyCommand } from './model/command-signature.js'
import type { SentCommand } from './rest-views.js'
import { trustedKeysOf } from './trusted-keys.js'

export interface ControlSender {
  /**
   * Resolves when all in-sync replicas have it. Rejects after a few seconds without a broker, and with `signature-missing` or
   * `signature-wrong` for what no worker would listen to.
   */
  send(command: CommandRequest): Promise<SentCommand>
  close(): Promise<void>
}

/** Signs where `control.keyFile` is configured. Throws as `trustedKeysOf` and `readPem` do. */
export async function openControlSender(
  kafka: Kafka,
  { topics, deployment, control }: Pick<Config, 'topics' | 'deployment' | 'control'>,
  issuer: string,
): Promise<ControlSender> {
  const [key, trusted] = [await readPem(control.keyFile), await trustedKeysOf(control)]
  const signed = (command: ModelCommand): ModelCommand => {
    if (key === undefined && trusted.length > 0)
      throw new MillraceError('signature-missing', 'control.keyFile is not set, and control.trustedKeys is')
    const said = key === undefined ? command : signCommand(command, deployment, key)
    verifyCommand(said, deployment, trusted)
    return said
  }
  const writer = createLogWriter(kafka, topics.control)
  return {
    async send({ action, model = null, digest = null, percent = null }) {
      const now = Date.now()
      const about = { id: randomUUID(), issuedAt: now, issuer, sequence: now }
      const { signature, ...said } = signed({ action, model, digest, percent, ...about, signature: null })
      // In JSON: it can be sent while the registry is away.
      const json = JSON.stringify({ ...said, signature: signature?.toString('base64') })
      return { command: said.id, offset: await writer.append(deployment, Buffer.from(json)) }
    },
    close: () => writer.close(),
  }
}
