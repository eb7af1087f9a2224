/** The parts of the suite, in the order of the table. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Kafka } from 'kafkajs'
import { startStack } from '../../docker/stack.js'
import { createKafka } from '../../pipeline/kafka/client.js'
import { copier } from './parts/copier.js'
import { inference } from './parts/inference.js'
import { pipeWithoutBroker } from './parts/pipe-without-broker.js'
import { stagesAlone } from './parts/stages-alone.js'
import { startTime } from './parts/start-time.js'
import { switchGap } from './parts/switch-gap.js'
import { wholePipe } from './parts/whole-pipe.js'
import type { Row } from './result.js'

/** What a part needs of Kafka. */
export interface Place {
  readonly kafka: Kafka
  readonly brokers: string
  readonly registry: string
}

export interface PartOptions extends Place {
  /** only whether it runs: as little as possible, in this process where that can be */
  readonly smoke: boolean
  readonly rounds: number
  readonly onProgress: (line: string) => void
}

export type Part = (options: PartOptions) => Promise<Row[]>

export const parts: Readonly<Record<string, Part>> = {
  inference,
  stages: stagesAlone,
  pipe: pipeWithoutBroker,
  copier,
  whole: wholePipe,
  start: startTime,
  switch: switchGap,
}

export const runParts = async (names: readonly string[], options: PartOptions): Promise<Row[]> => {
  const rows: Row[] = []
  for (const name of names) {
    const part = parts[name]
    if (!part) throw new Error(`no part ${name}; there are ${Object.keys(parts).join(', ')}`)
    options.onProgress(name)
    rows.push(...(await part(options)))
  }
  return rows
}

/** With a Kafka and a registry of their own; `wanted` ones are taken instead. */
export const withPlace = async <T>(
  wanted: { readonly brokers: string | undefined; readonly registry: string | undefined },
  onProgress: (line: string) => void,
  work: (place: Place) => Promise<T>,
): Promise<T> => {
  const placeAt = (brokers: string, registry: string) => ({
    kafka: createKafka({ brokers: brokers.split(','), clientId: 'bench' }),
    brokers,
    registry,
  })
  if (wanted.brokers && wanted.registry) return work(placeAt(wanted.brokers, wanted.registry))
  const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const cacheDirectory = resolve('node_modules/.cache/millrace/stack')
  const stack = await startStack({ cacheDirectory, dataDirectory, onProgress })
  try {
    return await work(placeAt(stack.brokers, stack.registry))
  } finally {
    await stack.stop()
    await rm(dataDirectory, { recursive: true, force: true })
  }
}
