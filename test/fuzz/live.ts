/** The same records through a real broker, registry and worker, while its control topic, its models topic and its REST interface get theirs. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPublisher } from '../../pipeline/kafka/publisher.js'
import { readTopic } from '../../pipeline/kafka/topic-reader.js'
import type { OutgoingRecord } from '../../stages/ports.js'
import { createRandom, type Random } from '../chaos/random.js'
import { createWorld, type World } from '../chaos/world.js'
import { registerValues } from '../fixtures/digits.js'
import { fragileSchema, storeFragileModel } from '../fixtures/fragile-model.js'
import { mutateBytes, mutateTree, randomBytes, seedOf } from './mutation.js'
import { foreignSchema, writers } from './records.js'
import { complain, count, noteMemory, type Tally, watch } from './tally.js'

export interface LiveOptions {
  readonly records: number
  readonly requests: number
  readonly seed: number
  readonly capMb: number
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
    await Promise.all([through(world, tally, options), ask(worker.url, rest, options)])
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
  const { value } = writers(...ids)
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
    for (let index = done; index < Math.min(records, done + perRound); index++) {
      const one = value(createRandom(seedOf(seed, 'record', index)))
      sent[index % partitions]!.push(one)
      lanes[index % partitions]!.push(record(one))
    }
    const random = createRandom(seedOf(seed, 'noise', done))
    await input.publish([
      ...lanes.map((records, partition) => ({ kind: 'predictions' as const, partition, records })),
      { kind: 'deadLetter', partition: 0, records: Array.from({ length: 20 }, () => record(noise(random))) },
      { kind: 'late', partition: 0, records: Array.from({ length: 20 }, () => record(noise(random))) },
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
const noise = (random: Random): Buffer => {
  const command = {
    action: random.pick(['SWITCH', 'PREPARE', 'CANARY', 'ABORT', 'COMMIT']),
    model: 'nothing@1',
    percent: 5,
  }
  if (random.next() < 0.3) return randomBytes(random, random.between(0, 100))
  if (random.next() < 0.5) return mutateBytes(Buffer.from(JSON.stringify(command)), random)
  return Buffer.from(JSON.stringify(mutateTree(command, random)) ?? '')
}

const bodies: readonly (readonly [method: string, path: string, body: unknown])[] = [
  ['PATCH', '/v1/config', { batch: { maxRecords: 64, maxDelayMs: 1 }, logLevel: 'error' }],
  ['POST', '/v1/switch', { model: 'nothing@1' }],
  ['POST', '/v1/rollback', {}],
  ['POST', '/v1/models', {}],
  ['DELETE', '/v1/models/nothing@1', undefined],
  ['GET', '/v1/models', undefined],
  ['GET', '/v1/status', undefined],
]

/** Requests: bodies that are changed, paths too; every answer is one that the interface knows. */
const ask = async (url: string, tally: Tally, { requests, seed }: LiveOptions): Promise<void> => {
  for (let index = 0; index < requests; index++) {
    const random = createRandom(seedOf(seed, 'request', index))
    const [method, path, body] = random.pick(bodies)
    const archive = method === 'POST' && path === '/v1/models'
    const text = JSON.stringify(mutateTree(body, random)) ?? ''
    const bytes = random.next() < 0.5 ? Buffer.from(text) : mutateBytes(Buffer.from(text), random)
    const where = random.next() < 0.8 ? path : encodeURI(mutateBytes(Buffer.from(path), random).toString('latin1'))
    await watch(tally, `request ${index}`, async () => {
      const answer = await fetch(new URL(where.startsWith('/') ? url + where : `${url}/${where}`), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': archive ? 'application/gzip' : 'application/json',
        },
        ...(method !== 'GET' && { body: archive ? mutateBytes(randomBytes(random, 100), random) : bytes }),
      })
      const said = await answer.text()
      if (answer.status < 400) return 'accepted'
      if (answer.status === 500) complain(tally, `request ${index}: ${method} ${where}: ${said}`)
      return (JSON.parse(said) as { code: string }).code
    })
  }
}
