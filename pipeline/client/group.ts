/** How a client talks to all workers of a deployment: its logs, and who is in the group. */
import { MillraceError } from '../../stages/errors.js'
import { createMessageCodec, type MessageCodec } from '../avro/message-codec.js'
import { createCommandDecoder } from '../command-decoder.js'
import type { Config } from '../config.js'
import { createKafkaLog, createWritableKafkaLog } from '../deployment-logs.js'
import { partitionCounts } from '../kafka/admin.js'
import { groupMembers } from '../kafka/group-status.js'
import type { ModelCommand, ModelEvent } from '../messages.js'
import { signCommand, verifyCommand } from '../model/command-signature.js'
import type { FenceEntry } from '../swap/fences.js'
import type { DialogueOptions } from '../swap/group-dialogue.js'
import { followLog } from '../swap/log-follower.js'
import type { Log } from '../swap/logs.js'
import { trustedKeysOf } from '../trusted-keys.js'
import type { Connection } from './connection.js'
import { issuer } from './control.js'
import { withRegistry } from './registry.js'

export interface Group {
  readonly dialogue: Omit<DialogueOptions, 'onProgress'>
  /** everything that is in the fence log */
  fences(): Promise<readonly FenceEntry[]>
}

export interface GroupOptions {
  /** PEM of a private key to sign with */
  readonly key?: string
  /** from the beginning, or only what is said from now on */
  readonly events: 'all' | 'new'
}

/** Runs with the group, and lets go of it. Throws `topic-missing`, and before anything is sent what its signature is wrong with. */
export const withGroup = <T>(
  connection: Connection,
  config: Config,
  { key, events }: GroupOptions,
  work: (group: Group) => Promise<T>,
): Promise<T> =>
  withRegistry(connection, config, async (registry) => {
    const { topics, deployment } = config
    const kafka = await connection.kafka(config)
    const there = await partitionCounts(kafka, [topics.control, topics.events, topics.fences])
    for (const topic of [topics.control, topics.events, topics.fences])
      if (!there.has(topic)) throw new MillraceError('topic-missing', topic)
    const codec = createMessageCodec(registry)
    await codec.prepare(topics)
    const keys = await trustedKeysOf(config.control)
    const closing = new AbortController()
    const logOptions = { kafka, signal: closing.signal, onState: () => undefined }

    const encode = (command: ModelCommand) => {
      const signed = key === undefined ? command : signCommand(command, deployment, key)
      verifyCommand(signed, deployment, keys)
      return { key: deployment, value: codec.encodeCommand(signed) }
    }
    const control = createWritableKafkaLog({
      ...logOptions,
      topic: topics.control,
      decode: createCommandDecoder(codec, deployment, keys),
      encode,
    })
    const eventLog = createKafkaLog<ModelEvent>({
      ...logOptions,
      topic: topics.events,
      fromBeginning: events === 'all',
      decode: ({ value }) => codec.decodeEvent(value ?? Buffer.alloc(0)),
    })
    try {
      return await work({
        dialogue: {
          control,
          events: eventLog,
          members: () => groupMembers(kafka, config.kafka.groupId),
          issuer: issuer(),
          signal: connection.signal,
        },
        fences: () => readFences(createKafkaLog({ ...logOptions, topic: topics.fences, decode: decodeFence(codec) })),
      })
    } finally {
      closing.abort()
      await control.close()
    }
  })

const decodeFence =
  (codec: MessageCodec) =>
  async ({ key, value }: { key: Buffer | null; value: Buffer | null }): Promise<FenceEntry> => ({
    key: String(key),
    fence: value && (await codec.decodeFence(value)),
  })

const readFences = async (log: Log<FenceEntry>): Promise<FenceEntry[]> => {
  const entries: FenceEntry[] = []
  const follower = followLog(log, (item) => {
    if (item.type === 'entry') entries.push(item.value)
  })
  try {
    await follower.catchUp()
  } finally {
    follower.close()
  }
  return entries
}
