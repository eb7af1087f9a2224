/** What stands in a topic of a deployment, decoded, as an async iterable. */
import type { MessageCodec } from '../avro/message-codec.js'
import { createMessageCodec } from '../avro/message-codec.js'
import type { Config } from '../config.js'
import { readTopic } from '../kafka/topic-reader.js'
import type { Connection } from './connection.js'
import { openRegistry } from './registry.js'

export interface ReadOptions {
  /** the first there is, what comes from now on, or so many of the newest of each partition; `end` by default */
  readonly from?: 'beginning' | 'end' | { readonly last: number }
  /** true, the default: goes on with what comes. false: ends where the partitions ended when the reading began */
  readonly follow?: boolean
  /** ends the reading, without an error */
  readonly signal?: AbortSignal
}

/** Reads all partitions without a group; ends when the connection does, when `signal` aborts, or when the caller leaves the loop. */
export async function* readMessages<T>(
  connection: Connection,
  config: Config,
  topic: string,
  decode: (codec: MessageCodec, value: Buffer) => Promise<T>,
  { from = 'end', follow = true, signal }: ReadOptions,
): AsyncGenerator<T, void, undefined> {
  const ending = signal ? AbortSignal.any([signal, connection.signal]) : connection.signal
  const { registry, explain, close } = await openRegistry({ signal: ending }, config)
  try {
    const codec = createMessageCodec(registry)
    const kafka = await connection.kafka(config)
    for await (const { records } of readTopic(kafka, topic, { from, follow, signal: ending }))
      for (const { value } of records) {
        if (ending.aborted) return
        yield await decode(codec, value ?? Buffer.alloc(0))
      }
  } catch (error) {
    if (!ending.aborted) throw explain(error)
  } finally {
    close()
  }
}
