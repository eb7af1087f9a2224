/** The same records through a real broker, registry and worker, while its control topic, its models topic and its REST interface get theirs. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { createPublisher } from '../../pipeline/kafka/publisher.js'
import { readTopic } from '../../pipeline/kafka/topic-reader.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import { createWorld, type World } from '../chaos/world.js'
import { registerValues } from '../fixtures/digits.js'
import { fragileSchema, storeFragileModel } from '../fixtures/fragile-model.js'
import { byteChanges, changeBytes, someBytes } from './change-bytes.js'
import { changeJson, jsonBytes, jsonChange } from './change-tree.js'
import { fuzzKind, type Kind, seedOf } from './fuzz.js'
import { foreignSchema, values } from './records.js'
import { complain, count, noteMemory, type Tally } from './tally.js'

export interface LiveOptions {
  readonly records: number
  readonly requests: number
  readonly seed: number
  readonly capMb: number
  /** one request alone, where a find said it is */
  readonly path?: string
  readonly onProgress: (line: string) => void
}

const partitions = 2
const perRound = 5_000
const token = 'a-token-for-the-fuzz'

export async function fuzzLive(tally: Tally, rest: Tally, options: LiveOptions): Promise<void> {
  const settings = ['echo=[note]', 'verification.inChild=false', `http.token=${token}`]
  const world = await createWorld({
    deployment: 'fuzz',
    delivery: 'at-least-once',
    partitions,
    model: 'fragile@1',
    set: settings,
  })
  try {
    await storeFragileModel(world.store)
    const worker = world.startWorker()
    await Promise.race([worker.exited, ready(worker.url)])
    await Promise.all([
      through(world, tally, options),
      fuzzKind(requestKind(worker.url), rest, { ...options, inputs: options.requests }),
    ])
    const { exitCode, signalCode } = worker.child
    if (exitCode !== null || signalCode !== null) complain(tally, `the worker ended: ${exitCode ?? signalCode}`)
    else await world.signalWorker(worker, 'SIGINT')
  } finally {
    await world.close()
  }
}

const ready = async (url: string): Promise<void> => {
  for (;;) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    await sleep(100)
  }
}

/** Sends everything, and waits until everything is answered. */
const through = async (
  world: World,
  tally: Tally,
  { records, seed, capMb, onProgress }: LiveOptions,
): Promise<void> => {
  const { topics, kafka, registry } = world
  const ids = [
    await registerValues(registry, topics.input, fragileSchema),
    await registerValues(registry, `${topics.input}-foreign`, foreignSchema),
  ] as const
  const input = createPublisher({
    kafka,
    topics: { predictions: topics.input, deadLetter: topics.control, late: topics.models, shadow: topics.models },
  })
  const sent: (Buffer | null)[][] = Array.from({ length: partitions }, () => [])
  const over = new AbortController()
  const answers = { predictions: 0, letters: 0 }
  const seen = new Set<string>()
  const follow = async (topic: string, take: (partition: number, record: OutgoingRecord) => void) => {
    for await (const { partition, records } of readTopic(kafka, topic, {
      from: 'beginning',
      follow: true,
      signal: over.signal,
    }))
      for (const record of records) take(partition, record)
  }
  const following = [
    follow(topics.predictions, () => void answers.predictions++),
    follow(topics.deadLetter, (partition, { value, headers }) => {
      const offset = Number(headers?.['millrace.offset'])
      const original = sent[partition]![offset]
      const same =
        original === null || value === null ? original === value : original !== undefined && value.equals(original)
      if (!same) complain(tally, `${partition}/${offset}: the dead letter has other bytes`)
      if (seen.has(`${partition}/${offset}`)) return
      seen.add(`${partition}/${offset}`)
      answers.letters += 1
      count(tally, String(headers?.['millrace.error']))
    }),
  ]
  const answered = () => answers.predictions + answers.letters
  const [worker] = world.workers
  const record = (value: Buffer | null): OutgoingRecord => ({
    key: null,
    value,
    headers: undefined,
    timestamp: Date.now(),
  })
  for (let done = 0; done < records; done += perRound) {
    const lanes = Array.from({ length: partitions }, (): OutgoingRecord[] => [])
    const round = values(seedOf(seed, 'live', done), Math.min(perRound, records - done), ...ids)
    for (const [index, one] of round.entries()) {
      sent[index % partitions]!.push(one)
      lanes[index % partitions]!.push(record(one))
    }
    const noises = fc.sample(noise, { seed: seedOf(seed, 'noise', done), numRuns: 40 }).map(record)
    await input.publish([
      ...lanes.map((records, partition) => ({ kind: 'predictions' as const, partition, records })),
      { kind: 'deadLetter', partition: 0, records: noises.slice(0, 20) },
      { kind: 'late', partition: 0, records: noises.slice(20) },
    ])
    while (answered() < done && worker!.child.exitCode === null) await sleep(20)
    noteMemory(tally, capMb, residentBytes(worker!.child.pid!))
    if (done % (10 * perRound) === 0) onProgress(`live: ${answered()} of ${records} records answered`)
  }
  for (let waited = 0; answered() < records && waited < 1_200 && worker!.child.exitCode === null; waited++)
    await sleep(100)
  over.abort()
  await Promise.all(following)
  await input.close()
  count(tally, 'accepted', answers.predictions)
  if (answered() !== records)
    complain(tally, `${records} sent, ${answers.predictions} predictions, ${answers.letters} dead letters`)
}

const residentBytes = (pid: number): number => {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** For the control topic and the models topic: nothing of it is a command that names a bundle of the store. */
const command = fc.record({
  action: fc.constantFrom('SWITCH', 'PREPARE', 'CANARY', 'ABORT', 'COMMIT'),
  model: fc.constant('nothing@1'),
  percent: fc.constant(5),
})
const noise = fc.oneof(
  someBytes(100),
  fc.tuple(command, jsonChange).map(([one, change]) => changeJson(jsonBytes(one), change)),
)

const requests: readonly (readonly [method: string, path: string, body: unknown])[] = [
  ['PATCH', '/v1/config', { batch: { maxRecords: 64, maxDelayMs: 1 }, logLevel: 'error' }],
  ['POST', '/v1/switch', { model: 'nothing@1' }],
  ['POST', '/v1/rollback', {}],
  ['POST', '/v1/models', {}],
  ['DELETE', '/v1/models/nothing@1', {}],
  ['GET', '/v1/models', undefined],
  ['GET', '/v1/status', undefined],
]

/** Bodies that are changed, now and then paths too; every answer is one that the interface knows. */
const request = fc.record({
  to: fc.nat(requests.length - 1),
  change: jsonChange,
  archive: someBytes(100),
  path: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, byteChanges),
})

const requestKind = (url: string): Kind<typeof request extends fc.Arbitrary<infer Input> ? Input : never> => ({
  name: 'REST requests',
  weight: 0,
  inputs: request,
  async judge({ to, change, archive, path }) {
    const [method, sound, body] = requests[to]!
    const where = path.length === 0 ? sound : encodeURI(changeBytes(Buffer.from(sound), path).toString('latin1'))
    const isArchive = method === 'POST' && sound === '/v1/models'
    const answer = await fetch(new URL(where.startsWith('/') ? url + where : `${url}/${where}`), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': isArchive ? 'application/gzip' : 'application/json',
      },
      ...(body !== undefined && { body: isArchive ? archive : changeJson(jsonBytes(body), change) }),
    })
    const said = await answer.text()
    if (answer.status < 400) return 'accepted'
    if (answer.status === 500) throw new Error(`${method} ${where}: ${said}`)
    return (JSON.parse(said) as { code: string }).code
  },
})
