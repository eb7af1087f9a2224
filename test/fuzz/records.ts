/** Records by the hundred thousand: sound ones, changed in a few places, and what became of each. */
import fc from 'fast-check'
import { EMPTY, type Observable } from 'rxjs'
import { frame } from '../../pipeline/avro/framing.js'
import { createPredictionEncoder } from '../../pipeline/avro/prediction-encoder.js'
import { createRecordDecoder } from '../../pipeline/avro/record-decoder.js'
import { parseConfig } from '../../pipeline/config.js'
import { createMemoryLog } from '../../pipeline/memory-source.js'
import { readBundle } from '../../pipeline/model/bundle.js'
import { createScorer } from '../../pipeline/model/scorer.js'
import { createPipe } from '../../pipeline/pipe.js'
import { observers } from '../../pipeline/pipe-observer.js'
import type { Encoded, Generation, Outgoing, RecordDecoder } from '../../stages/ports.js'
import { fragileBytes, fragileSchema, sound } from '../fixtures/fragile-model.js'
import { byteChanges, changeBytes, someBytes } from './change-bytes.js'
import { type Kind, search, seedOf } from './fuzz.js'
import { complain, count, createTally, mostMs, type Outcome, type Tally } from './tally.js'

const index = fc.oneof({ weight: 19, arbitrary: fc.integer({ min: 0, max: 3 }) }, fc.integer({ min: -200, max: 200 }))
const number = fc.float({ min: 0, max: 10, noNaN: true })
const numbers = fc.oneof(
  { weight: 9, arbitrary: fc.array(number, { minLength: 3, maxLength: 3 }) },
  fc.array(fc.oneof(number, fc.float()), { maxLength: 5 }),
)
const maybe = fc.oneof(
  { weight: 9, arbitrary: fc.constant(sound.maybe) },
  fc.constantFrom(null, Number.NaN, Number.POSITIVE_INFINITY),
)
const datum = fc.record({ index, numbers, maybe, note: fc.constantFrom('', 'a note', '\u0000', 'é'.repeat(100)) })

/** A record of the input: sound, or changed in its datum or its frame, or written with another schema, or nothing of the kind. */
const recordInput = fc.oneof(
  { weight: 30, arbitrary: fc.record({ datum }) },
  { weight: 40, arbitrary: fc.record({ datum, inside: byteChanges }) },
  { weight: 20, arbitrary: fc.record({ datum, outside: byteChanges }) },
  { weight: 3, arbitrary: fc.record({ foreign: datum }) },
  { weight: 3, arbitrary: fc.record({ bytes: someBytes(64) }) },
  { weight: 2, arbitrary: fc.record({ framed: someBytes(64) }) },
  { weight: 2, arbitrary: fc.record({ nothing: fc.constantFrom('null', 'no bytes') }) },
)
type RecordInput = typeof recordInput extends fc.Arbitrary<infer Input> ? Input : never

/** The writers' schemas by id: that of the model's records, and one that the model cannot read. */
const valueFrom = (input: RecordInput, soundId: number, foreignId: number): Buffer | null => {
  if ('nothing' in input) return input.nothing === 'null' ? null : Buffer.alloc(0)
  if ('bytes' in input) return input.bytes
  if ('framed' in input) return frame(soundId, input.framed)
  if ('foreign' in input) return frame(foreignId, fragileBytes(input.foreign))
  const bytes = fragileBytes(input.datum)
  if ('inside' in input) return frame(soundId, changeBytes(bytes, input.inside))
  return 'outside' in input ? changeBytes(frame(soundId, bytes), input.outside) : frame(soundId, bytes)
}

/** The values of a round, the same for the same seed. */
export const values = (seed: number, count: number, soundId: number, foreignId: number): (Buffer | null)[] =>
  fc.sample(recordInput, { seed, numRuns: count }).map((input) => valueFrom(input, soundId, foreignId))

export const foreignSchema = { type: 'record', name: 'Foreign', fields: [{ name: 'other', type: 'string' }] }

const [soundId, foreignId] = [1, 2]
const perRound = 20_000
const partitions = 2

export interface Records {
  /** a record alone in a pipe of its own: for a find, which is made small there */
  readonly kind: Kind<RecordInput>
  /** By the ten thousand through the decoder, a real scorer in its thread, and the pipe that a worker has; only the log is in memory. */
  fuzz(tally: Tally, options: { records: number; seed: number; onRound: () => void }): Promise<void>
  close(): Promise<void>
}

export async function openRecords(store: string): Promise<Records> {
  const bundle = await readBundle(`${store}/fragile@1.tar.gz`)
  const scorer = await createScorer(bundle)
  const { ref: model, digest, plan } = bundle
  const generation: Generation = { number: 1, model, digest, plan, scorer, retain() {}, release() {} }
  const schemas = new Map<number, unknown>([
    [soundId, fragileSchema],
    [foreignId, foreignSchema],
  ])
  const registry = { known: (id: number) => schemas.get(id), fetch: async (id: number) => schemas.get(id) }
  const decoder = () => createRecordDecoder({ registry, echo: ['note'] })

  const kind: Kind<RecordInput> = {
    name: 'records',
    weight: 0,
    inputs: recordInput,
    async judge(input) {
      const sent = [valueFrom(input, soundId, foreignId)]
      const { outcomes, wrong } = judge(sent, await throughPipe(sent, generation, decoder()))
      if (wrong.length > 0) throw new Error(wrong.join('; '))
      return [...outcomes.keys()][0]!
    },
  }
  return {
    kind,
    close: () => scorer.close(),
    async fuzz(tally, { records, seed, onRound }) {
      for (let round = 0; tally.tried < records; round++) {
        const roundSeed = seedOf(seed, kind.name, round)
        const sent = values(roundSeed, Math.min(perRound, records - tally.tried), soundId, foreignId)
        let wrong: readonly string[] = []
        try {
          const judged = judge(sent, await throughPipe(sent, generation, timed(decoder(), tally)))
          for (const [outcome, times] of judged.outcomes) count(tally, outcome, times)
          wrong = judged.wrong
        } catch (error) {
          tally.tried += sent.length
          wrong = [`${(error as Error).stack}`]
        }
        for (const what of wrong.slice(0, 3)) complain(tally, `seed ${roundSeed}, ${sent.length} records: ${what}`)
        // Whichever it is, it is one of these.
        const alone = createTally('alone')
        if (wrong.length > 0) await search(kind, alone, { capMb: Infinity }, { seed: roundSeed, numRuns: sent.length })
        for (const find of alone.wrong) complain(tally, find)
        onRound()
      }
    },
  }
}

/** The time of a run of records, which is for all of them what one may take. */
const timed = (decoder: RecordDecoder, tally: Tally): RecordDecoder => ({
  decode(records, plan) {
    const [began, cpu] = [performance.now(), process.cpuUsage()]
    const rows = decoder.decode(records, plan)
    const ms = performance.now() - began
    tally.slowestMs = Math.max(tally.slowestMs, ms)
    if (ms > mostMs && process.cpuUsage(cpu).user / 1000 > mostMs)
      complain(tally, `${records.length} records took ${Math.round(ms)} ms to decode`)
    return rows
  },
})

const config = parseConfig({ deployment: 'fuzz', brokers: ['none:1'], registry: 'http://none', echo: ['note'] })

const throughPipe = async (
  values: readonly (Buffer | null)[],
  generation: Generation,
  decoder: RecordDecoder,
): Promise<Outgoing[]> => {
  const log = createMemoryLog('fuzz.input', partitions)
  for (const [index, value] of values.entries()) log.append(index % partitions, { value })
  const outgoing: Outgoing[] = []
  const source = log.createSource({ groupId: 'fuzz', drainTimeoutMs: 10_000 })
  const pipe = createPipe({
    config: () => config,
    swap: {
      choiceFor: () => ({
        choose: () => ({ generation, until: Number.POSITIVE_INFINITY }),
        arrived: () => undefined,
        close: () => undefined,
      }),
      written: () => undefined,
    } as never,
    decoder,
    encoder: createPredictionEncoder({ schemaId: 1 }),
    output: { publisher: { publish: async (records) => void outgoing.push(...records) } },
    observer: observers([]),
    shadows: { onCompared: () => undefined, onSkipped: () => undefined },
  })
  await new Promise<void>((resolve, reject) => {
    let left = values.length
    const seen: Observable<Encoded> = values.length === 0 ? EMPTY : source.open(pipe)
    seen.subscribe({
      next: ({ records }) => {
        left -= records
        if (left === 0) void source.stop()
      },
      complete: resolve,
      error: reject,
    })
  })
  return outgoing
}

/** Every record is a prediction or a dead letter with its own bytes and a reason; none is both, none is missing. */
const judge = (values: readonly (Buffer | null)[], outgoing: readonly Outgoing[]) => {
  const answered = new Uint8Array(values.length)
  const outcomes = new Map<Outcome, number>()
  const wrong: string[] = []
  let predictions = 0
  for (const { kind, partition, records } of outgoing)
    for (const { value, headers } of records) {
      if (kind === 'predictions') {
        predictions += 1
        continue
      }
      const index = Number(headers?.['millrace.offset']) * partitions + partition
      const sent = values[index]
      const same = sent === null || value === null ? sent === value : sent !== undefined && value.equals(sent)
      if (!same) wrong.push(`record ${index}: the dead letter has other bytes`)
      if (answered[index]) wrong.push(`record ${index}: two dead letters`)
      answered[index] = 1
      const code = String(headers?.['millrace.error'])
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1)
    }
  if (predictions > 0) outcomes.set('accepted', predictions)
  const letters = answered.reduce((sum, one) => sum + one, 0)
  if (predictions + letters !== values.length)
    wrong.push(`${values.length} sent, ${predictions} predictions, ${letters} dead letters`)
  return { outcomes, wrong }
}
