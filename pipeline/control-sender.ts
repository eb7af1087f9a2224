/** Commands to a deployment from a worker of it, on behalf of whoever may tell it so. */
import { randomUUID } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import type { Config } from './config.js'
import type { CommandRequest } from './http/ports.js'
import { createLogWriter } from './kafka/log-writer.js'
import type { SentCommand } from './rest-views.js'

export interface ControlSender {
  /** Resolves when all in-sync replicas have it. Rejects after a few seconds without a broker. */
  send(command: CommandRequest): Promise<SentCommand>
  close(): Promise<void>
}

export function createControlSender(
  kafka: Kafka,
  { topics, deployment }: Pick<Config, 'topics' | 'deployment'>,
  issuer: string,
): ControlSender {
  const writer = createLogWriter(kafka, topics.control)
  return {
    async send(given) {
      const now = Date.now()
      // In JSON: it can be sent while the registry is away.
      const command = { id: randomUUID(), ...given, issuedAt: now, issuer, sequence: now }
      return { command: command.id, offset: await writer.append(deployment, Buffer.from(JSON.stringify(command))) }
    },
    close: () => writer.close(),
  }
}
