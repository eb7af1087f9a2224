/** The part of the demo in which records flow: feeding, switching and judging, until it is over and every record is answered. */
import type { Kafka } from 'kafkajs'
import { createMessageCodec } from '../../avro/message-codec.js'
import type { SchemaRegistry } from '../../avro/registry.js'
import { pause } from '../../backoff.js'
import type { Config } from '../../config.js'
import { createLogWriter } from '../../kafka/log-writer.js'
import { readTopic } from '../../kafka/topic-reader.js'
import { eventText } from './events.js'
import { feed } from './feeder.js'
import type { Judge } from './judge.js'
import type { Scans } from './scans.js'
import { demoModels, switchInTurn } from './scenario.js'

export interface StreamOptions {
  readonly config: Config
  readonly kafka: Kafka
  readonly registry: SchemaRegistry
  readonly partitions: number
  readonly scans: Scans
  readonly judge: Judge
  readonly perSecond: number
  readonly switchEveryMs: number
  /** how long records flow; until `signal` without it */
  readonly durationMs?: number
  /** ends the flow; what flows is waited for all the same */
  readonly signal: AbortSignal
  readonly onEvent: (text: string) => void
}

/** A switch that was asked for near the end may still be under way. */
const lastSwitchMs = 30_000
const drainMs = 15_000
const pollMs = 20

/** Resolves when every record is answered, or some are not for long enough. */
export const stream = async (options: StreamOptions): Promise<void> => {
  const { judge, durationMs, switchEveryMs } = options
  const reading = new AbortController()
  const flowing = new AbortController()
  const stop = () => flowing.abort()
  options.signal.addEventListener('abort', stop, { once: true })
  if (options.signal.aborted) stop()
  const watching = Promise.all(
    [watchPredictions, watchLate, watchEvents].map((watch) => watch(options, reading.signal)),
  )
  const feeding = feed({
    ...options,
    topic: options.config.topics.input,
    open: () => judge.open,
    onSent: judge.sent,
    signal: flowing.signal,
    abandon: reading.signal,
  })
  const switching = switchModels(options, flowing.signal)
  const playing = async () => {
    if (durationMs === undefined) return
    await Promise.all([pause(durationMs, flowing.signal), switching])
    await until(() => judge.switches.pending === undefined, lastSwitchMs, flowing.signal)
    stop()
  }
  try {
    await Promise.race([Promise.all([feeding, switching, playing()]), watching])
    await Promise.race([until(() => judge.open === 0, drainMs), watching])
  } finally {
    stop()
    reading.abort()
    options.signal.removeEventListener('abort', stop)
    await Promise.allSettled([watching, feeding, switching])
  }

  function switchModels({ config, kafka, onEvent }: StreamOptions, signal: AbortSignal) {
    const control = createLogWriter(kafka, config.topics.control)
    return switchInTurn({
      models: demoModels,
      everyMs: switchEveryMs,
      untilMs: durationMs === undefined ? undefined : durationMs - switchEveryMs / 2,
      switchTo: async (model, from) => {
        // One at a time: on a busy machine a model may take longer to be tried than there is until the next switch.
        await until(() => judge.switches.pending === undefined, lastSwitchMs, signal)
        if (signal.aborted) return
        // What anyone could send with kcat.
        const command = JSON.stringify({ action: 'SWITCH', model })
        judge.switches.begin(from, model, performance.now())
        onEvent(`→ ${config.topics.control}  ${command}`)
        await control.append(config.deployment, Buffer.from(command))
      },
      signal,
    }).finally(() => control.close())
  }
}

const watchPredictions = async ({ config, kafka, registry, judge }: StreamOptions, signal: AbortSignal) => {
  const { decodePrediction } = createMessageCodec(registry)
  const reading = readTopic(kafka, config.topics.predictions, { from: 'beginning', follow: true, signal })
  for await (const { records } of reading) {
    const [wallClock, now] = [Date.now(), performance.now()]
    for (const { value, timestamp } of records)
      judge.predicted(await decodePrediction(value ?? Buffer.alloc(0)), timestamp, wallClock, now)
  }
}

const watchLate = async ({ config, kafka, registry, judge }: StreamOptions, signal: AbortSignal) => {
  const { decodeLate } = createMessageCodec(registry)
  for await (const { records } of readTopic(kafka, config.topics.late, { from: 'beginning', follow: true, signal }))
    for (const { value } of records) {
      const { partition, offset } = await decodeLate(value ?? Buffer.alloc(0))
      judge.late(partition, offset)
    }
}

const watchEvents = async ({ config, kafka, registry, onEvent }: StreamOptions, signal: AbortSignal) => {
  const { decodeEvent } = createMessageCodec(registry)
  const reading = readTopic(kafka, config.topics.events, { from: 'beginning', follow: true, signal })
  for await (const { records } of reading)
    for (const { value } of records) {
      const text = eventText(await decodeEvent(value ?? Buffer.alloc(0)))
      if (text !== undefined) onEvent(text)
    }
}

const until = async (isTrue: () => boolean, limitMs: number, signal?: AbortSignal): Promise<void> => {
  const deadline = performance.now() + limitMs
  while (!isTrue() && performance.now() < deadline && !signal?.aborted) await pause(pollMs, signal)
}
