/** Sending a bundle to every worker of a deployment, over its models topic. */
import type { Kafka } from 'kafkajs'
import { MillraceError } from '../stages/errors.js'
import { createBackoff } from './backoff.js'
import { createLogWriter } from './kafka/log-writer.js'
import { readPush } from './model/chunks.js'

export interface PushOptions {
  readonly kafka: Kafka
  /** the models topic */
  readonly topic: string
  /** of a `.tar.gz` */
  readonly path: string
  readonly onProgress?: (chunks: number, of: number) => void
  /** false: a broker that is away for more than a few seconds is an error; true by default */
  readonly waits?: boolean
  /** a broker that is away is waited for; told of it, and of the end of it */
  readonly onWaiting?: (reason: string | undefined) => void
  readonly signal?: AbortSignal
}

export interface Pushed {
  /** name@version */
  readonly ref: string
  readonly digest: string
  readonly bytes: number
  readonly chunks: number
}

/** chunks under way at once */
const mostUnderWay = 4

/**
 * Resolves when the broker has all of it; whether workers take it is on the events topic. Memory holds a few chunks. Throws as `readBundle`
 * does for what is no bundle, and `interrupted`; workers forget what did not come whole.
 */
export async function pushModel(options: PushOptions): Promise<Pushed> {
  const { kafka, topic, path, waits = true, onProgress, onWaiting, signal } = options
  const { ref, digest, bytes, chunks, records } = await readPush(path)
  const writer = createLogWriter(kafka, topic)
  const underWay = new Set<Promise<void>>()
  let done = 0
  let failure: unknown

  const send = async (append: () => Promise<number>) => {
    for (const backoff = createBackoff(); ; await backoff.wait(signal)) {
      if (signal?.aborted) throw new MillraceError('interrupted', `${ref} was not sent whole`)
      try {
        await append()
        onWaiting?.(undefined)
        onProgress?.(++done, chunks + 1)
        return
      } catch (error) {
        const passes = error instanceof MillraceError && error.retryable && error.code !== 'topic-missing'
        if (!passes || !waits) throw error
        onWaiting?.(error.message)
      }
    }
  }

  try {
    for await (const { key, value, headers } of records()) {
      const sending = send(() => writer.append(key, value, headers)).catch((error) => {
        failure ??= error
      })
      underWay.add(sending)
      void sending.then(() => underWay.delete(sending))
      if (underWay.size >= mostUnderWay) await Promise.race(underWay)
      if (failure) throw failure
    }
    await Promise.all(underWay)
    if (failure) throw failure
  } finally {
    await writer.close()
  }
  return { ref, digest, bytes, chunks }
}
