/** Sending one command to the control topic of a deployment. */
import { randomUUID } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import { createMessageCodec } from '../avro/message-codec.js'
import type { Config } from '../config.js'
import { createLogWriter } from '../kafka/log-writer.js'
import type { ModelCommand } from '../messages.js'
import { signCommand } from '../model/command-signature.js'
import type { Connection } from './connection.js'
import { withRegistry } from './registry.js'

export interface SentCommand {
  readonly command: ModelCommand
  /** on the control topic */
  readonly offset: number
}

/** A command of this person on this machine, now. Sequences are times: an old command that is played again is not carried out. */
export const newCommand = (
  given: Pick<ModelCommand, 'action'> & Partial<ModelCommand>,
  now: number = Date.now(),
): ModelCommand => ({
  id: randomUUID(),
  model: null,
  digest: null,
  percent: null,
  issuedAt: now,
  issuer: issuer(),
  sequence: now,
  signature: null,
  ...given,
})

/** This person on this machine. */
export const issuer = (): string => {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // A container may run under a number that has no name.
    return hostname()
  }
}

/** Resolves once all in-sync replicas have it. `key`: PEM of a private key to sign with. */
export const sendCommand = async (
  connection: Connection,
  config: Config,
  given: ModelCommand,
  key?: string,
): Promise<SentCommand> => {
  const command = key === undefined ? given : signCommand(given, config.deployment, key)
  return withRegistry(connection, config, async (registry) => {
    const codec = createMessageCodec(registry)
    await codec.prepare(config.topics)
    const writer = createLogWriter(await connection.kafka(config), config.topics.control)
    try {
      return { command, offset: await writer.append(config.deployment, codec.encodeCommand(command)) }
    } finally {
      await writer.close()
    }
  })
}
