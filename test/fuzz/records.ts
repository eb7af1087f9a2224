/** Records by the hundred thousand: sound ones, changed in a few places, and what became of each. */
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
import { createRandom, type Random } from '../chaos/random.js'
import { fragileBytes, fragileSchema, sound } from '../fixtures/fragile-model.js'
import { mutateBytes, randomBytes, seedOf } from './mutation.js'
import { complain, count, mostMs, type Tally } from './tally.js'

/** The writers' schemas by id: that of the model's records, one that it cannot read, and one that reads nothing of it. */
export const writers = (soundId: number, foreignId: number) => ({
  value(random: Random): Buffer | null {
    const datum = fragileBytes({
      index: random.next() < 0.95 ? random.between(0, 3) : random.between(-200, 200),
      numbers: Array.from({ length: random.next() < 0.9 ? 3 : random.between(0, 5) }, () => random.next() * 10),
      maybe: random.next() < 0.9 ? sound.maybe : random.pick([null, Number.NaN, Number.POSITIVE_INFINITY]),
      note: random.pick(['', 'a note', '\u0000', 'é'.repeat(100)]),
    })
    const choice = random.next()
    if (choice < 0.3) return frame(soundId, datum)
    if (choice < 0.7) return frame(soundId, mutateBytes(datum, random))
    if (choice < 0.9) return mutateBytes(frame(soundId, datum), random)
    if (choice < 0.93) return frame(foreignId, datum)
    if (choice < 0.96) return randomBytes(random, random.between(0, 64))
    if (choice < 0.98) return frame(soundId, randomBytes(random, random.between(0, 64)))
    return random.pick([null, Buffer.alloc(0)])
  },
})

export const foreignSchema = { type: 'record', name: 'Foreign', fields: [{ name: 'other', type: 'string' }] }

const perRound = 20_000
const partitions = 2

/** Through the decoder, a real scorer in its thread, and the pipe that a worker has; only the log is in memory. */
export async function fuzzPipe(
  tally: Tally,
  { records, seed, store, onRound }: { records: number; seed: number; store: string; onRound: () => void },
): Promise<void> {
  const bundle = await readBundle(`${store}/fragile@1.tar.gz`)
  const scorer = await createScorer(bundle)
  const { ref: model, digest, plan } = bundle
  const generation: Generation = { number: 1, model, digest, plan, scorer, retain() {}, release() {} }
  const schemas = new Map<number, unknown>([
    [1, fragileSchema],
    [2, foreignSchema],
  ])
  const registry = { known: (id: number) => schemas.get(id), fetch: async (id: number) => schemas.get(id) }
  const { value } = writers(1, 2)
  try {
    for (let done = 0; done < records; done += perRound) {
      const round = Array.from({ length: Math.min(perRound, records - done) }, (_, index) =>
        value(createRandom(seedOf(seed, 'record', done + index))),
      )
      const decoder = timed(createRecordDecoder({ registry, echo: ['note'] }), tally)
      try {
        judge(tally, round, await throughPipe(round, generation, decoder), done)
      } catch (error) {
        complain(tally, `records from ${done}: ${(error as Error).stack}`)
      }
      onRound()
    }
  } finally {
    await scorer.close()
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
const judge = (tally: Tally, values: readonly (Buffer | null)[], outgoing: readonly Outgoing[], from: number) => {
  const answered = new Uint8Array(values.length)
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
      if (!same) complain(tally, `record ${from + index}: the dead letter has other bytes`)
      if (answered[index]) complain(tally, `record ${from + index}: two dead letters`)
      answered[index] = 1
      count(tally, String(headers?.['millrace.error']))
    }
  const letters = answered.reduce((sum, one) => sum + one, 0)
  count(tally, 'accepted', predictions)
  if (predictions + letters !== values.length)
    complain(tally, `records from ${from}: ${values.length} sent, ${predictions} predictions, ${letters} dead letters`)
}
