/** What flows through a simulation: records of a trace, of a model that says nothing. */
import { deadlineHeader } from '../stages/deadline.js'
import { noOutputs } from '../stages/merge-outputs.js'
import type { Decoded, DecodedRows, Generation, RecordDecoder, SourceRecord } from '../stages/ports.js'

/** A record of a trace. Times in milliseconds. */
export interface Arrival {
  readonly at: number
  readonly partition: number
  /** its own, from `at` on; may only shorten that of the rule */
  readonly deadlineMs?: number
}

const nothing = () => undefined
const generationOf = (model: string): Generation => ({
  number: 1,
  model,
  digest: '',
  plan: { readerSchema: 'null', inputs: [] },
  scorer: { score: async ({ count }) => noOutputs(count), close: async () => undefined },
  retain: nothing,
  release: nothing,
})

/** The model of a simulation, and the one that stands in for it. */
export const simulatedModel = generationOf('simulated@1')
export const simulatedFallback: Generation = { ...generationOf('fallback@1'), standsInFor: simulatedModel }

const rowsOf = (count: number): DecodedRows => ({
  rows: { count, columns: [] },
  rejected: new Map(),
  echo: undefined,
})

export const simulatedDecoder: RecordDecoder = { decode: ({ length }) => rowsOf(length) }

/** An arrival as the pipe has it once it is decoded. */
export function decodedArrival({ at, partition, deadlineMs }: Arrival, offset: number): Decoded {
  const headers = deadlineMs === undefined ? undefined : { [deadlineHeader]: String(Math.floor(at + deadlineMs)) }
  const record: SourceRecord = { offset, timestamp: at, key: null, value: null, headers }
  const run = { topic: 'trace', partition, start: offset, next: offset + 1, records: [record], bytes: 0 }
  return { ...run, generation: simulatedModel, ...rowsOf(1) }
}
