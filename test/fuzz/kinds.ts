/** Everything that comes from outside and is no record: how a sound one looks, how it is changed, and who judges it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import avro from 'avsc'
import { stringify } from 'yaml'
import { frame } from '../../pipeline/avro/framing.js'
import { createMessageCodec } from '../../pipeline/avro/message-codec.js'
import { readOurSchema } from '../../pipeline/avro/our-schemas.js'
import { createRecordDecoder } from '../../pipeline/avro/record-decoder.js'
import type { SchemaRegistry } from '../../pipeline/avro/registry.js'
import { createCommandDecoder } from '../../pipeline/command-decoder.js'
import { parseConfig } from '../../pipeline/config.js'
import { loadConfig } from '../../pipeline/config-load.js'
import { actions } from '../../pipeline/messages.js'
import { writeArchive } from '../../pipeline/model/archive.js'
import { createAssembler } from '../../pipeline/model/assembler.js'
import { type Bundle, readBundle, toBundle } from '../../pipeline/model/bundle.js'
import { type ChunkRecord, toChunks } from '../../pipeline/model/chunks.js'
import { fitGraphs } from '../../pipeline/model/fit-graphs.js'
import { goldenRows, parseGolden } from '../../pipeline/model/golden.js'
import { parseManifest } from '../../pipeline/model/manifest.js'
import { decodeModel, describeModel } from '../../pipeline/model/onnx.js'
import { sealFiles } from '../../pipeline/model/pack.js'
import { rewire } from '../../pipeline/model/rewire.js'
import { toScoringPlan } from '../../pipeline/model/scoring-plan.js'
import { openStore } from '../../pipeline/model/store.js'
import { verifyBundle } from '../../pipeline/model/verifier.js'
import { createControlFold } from '../../pipeline/swap/control-fold.js'
import type { Random } from '../chaos/random.js'
import { digitBytes, digitSchema, digits } from '../fixtures/digits.js'
import { storeFragileModel } from '../fixtures/fragile-model.js'
import { flipBits, mutateBytes, mutateTree } from './mutation.js'
import type { Outcome } from './tally.js'

export interface Kind {
  readonly name: string
  /** of a thousand inputs of the whole, how many: what starts a process is dear */
  readonly weight: number
  /** Makes one input and has it judged; throws a `MillraceError` for one that is refused. */
  try(random: Random): Outcome | Promise<Outcome>
}

const schemaId = 7
/** Knows one schema; where the schemas themselves are the input, a registry would only store them. */
const registryOf = (schema: unknown): SchemaRegistry => ({
  known: (id) => (id === schemaId ? schema : undefined),
  fetch: async (id) => (id === schemaId ? schema : undefined),
  register: async () => schemaId,
  latest: async () => undefined,
  versions: async () => [],
  close: () => undefined,
})

const bytesOf = (tree: unknown): Buffer => Buffer.from(JSON.stringify(tree) ?? '')
const treeOf = (bytes: Buffer): unknown => JSON.parse(bytes.toString())

/** A JSON document: mostly changed as a tree, now and then as text. */
const changedJson = (bytes: Buffer, random: Random): Buffer =>
  random.next() < 0.8 ? bytesOf(mutateTree(treeOf(bytes), random)) : mutateBytes(bytes, random)

const changedBytes = (bytes: Buffer, random: Random): Buffer =>
  random.next() < 0.7 ? flipBits(bytes, random) : mutateBytes(bytes, random)

export interface Kinds {
  readonly all: readonly Kind[]
  close(): Promise<void>
}

export async function createKinds(): Promise<Kinds> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'))
  await storeFragileModel(directory)
  const archivePath = join(directory, 'fragile@1.tar.gz')
  const fragile = await readBundle(archivePath)
  const real = await Promise.all(['digits@1', 'biopsy@1'].map((ref) => readBundle(`models/bundles/${ref}.tar.gz`)))
  const bundles: readonly Bundle[] = [fragile, ...real]
  const file = (bundle: Bundle, name: string) => bundle.files.get(name)!
  const tar = gunzipSync(await readFile(archivePath))
  const changedPath = join(directory, 'changed.tar.gz')
  const configPath = join(directory, 'config.yaml')

  const commandType = avro.Type.forSchema(readOurSchema('model-command') as avro.Schema)
  const codec = createMessageCodec(registryOf(readOurSchema('model-command')))
  const decodeCommand = createCommandDecoder(codec, 'fuzz', [])
  let fold = createControlFold('digits@1')
  let offset = 0
  const command = (random: Random) => ({
    id: String(random.between(0, 1_000)),
    action: random.pick(actions),
    model: random.pick([null, 'digits@1', 'digits@2', 'digits@3']),
    digest: random.pick([null, 'a'.repeat(64)]),
    percent: random.pick([null, 0, 1, 50, 100]),
    issuedAt: random.between(0, 1e12),
    issuer: 'fuzz',
    sequence: random.between(0, 1e9),
    signature: null,
  })
  const obey = async (value: Buffer): Promise<Outcome> => {
    const entry = { offset, timestamp: offset++, command: await decodeCommand({ value }) }
    if (offset % 500 === 0) fold = createControlFold('digits@1')
    const outcome = fold.apply(entry)
    return outcome.kind === 'refused' ? outcome.code : 'accepted'
  }

  /** A bundle with some of its files changed, and a manifest that says so: digests keep nothing out. */
  const sealed = (bundle: Bundle, names: readonly string[], random: Random): Bundle => {
    const files = new Map(bundle.files)
    for (const name of names)
      files.set(
        name,
        name.endsWith('.onnx') || name.endsWith('.jsonl')
          ? changedBytes(file(bundle, name), random)
          : changedJson(file(bundle, name), random),
      )
    return sealFiles('changed', files)
  }

  const config = {
    deployment: 'digits',
    brokers: ['broker:9092'],
    registry: 'http://registry:8081',
    model: 'digits@1',
    kafka: {
      sasl: { mechanism: 'plain', username: 'u', password: 'p' },
      ssl: { caFile: 'ca.pem' },
      sessionTimeoutMs: 30_000,
    },
    batch: { maxRecords: 100, maxBytes: 1_000, maxDelayMs: 5 },
    credits: { records: 1_000, bytes: 100_000 },
    deadLetter: { limit: { count: 10, share: 0.5, windowSeconds: 60 } },
    http: { port: 8085, token: 'a-token-of-some-length' },
    echo: ['id'],
  }

  const store = openStore(join(directory, 'store'), { mutable: true, maxStoreBytes: 1 << 24 })
  let arrived: Outcome | undefined
  const assembler = createAssembler({
    maxBytes: 1 << 22,
    directory,
    onBundle: async ({ path }) => {
      await store.put(path)
      arrived = 'accepted'
    },
    onRefused: ({ error }) => {
      arrived = error.code
    },
  })
  const archive = gzipSync(tar)

  const all: Kind[] = [
    {
      name: 'manifest',
      weight: 150,
      try: (random) => {
        parseManifest(changedJson(file(random.pick(bundles), 'bundle.json'), random))
        return 'accepted'
      },
    },
    {
      name: "reader's schema",
      weight: 100,
      try: (random) => {
        const bundle = random.pick(bundles)
        toScoringPlan(bundle.manifest, mutateTree(bundle.plan.readerSchema, random))
        return 'accepted'
      },
    },
    {
      name: "writer's schema",
      weight: 150,
      try: async (random) => {
        const decoder = createRecordDecoder({ registry: registryOf(mutateTree(digitSchema, random)), echo: ['id'] })
        const value = frame(schemaId, digitBytes(random.pick(digits)))
        const records = [{ offset: 0, timestamp: 0, key: null, value, headers: undefined }]
        const { rejected } = await decoder.decode(records, real[0]!.plan)
        return rejected.get(0)?.code ?? 'accepted'
      },
    },
    {
      name: 'golden cases',
      weight: 50,
      try: (random) => {
        const bundle = random.pick(bundles)
        const [line = ''] = file(bundle, 'golden.jsonl').toString().split('\n')
        for (const golden of parseGolden(changedJson(Buffer.from(line), random))) goldenRows(golden, bundle.plan)
        return 'accepted'
      },
    },
    {
      name: 'archive',
      weight: 100,
      try: async (random) => {
        const bytes =
          random.next() < 0.5 ? gzipSync(mutateBytes(tar, random), { level: 1 }) : mutateBytes(archive, random)
        await writeFile(changedPath, bytes)
        await readBundle(changedPath)
        return 'accepted'
      },
    },
    {
      name: 'bundle',
      weight: 100,
      try: (random) => {
        const bundle = random.pick(bundles)
        const names = ['bundle.json', 'input.avsc', 'golden.jsonl', 'model.onnx'].filter(() => random.next() < 0.4)
        const changed = sealed(bundle, names, random)
        fitGraphs(toBundle('changed', changed.files))
        return 'accepted'
      },
    },
    {
      name: 'ONNX file',
      weight: 100,
      try: (random) => {
        const { model } = rewire(decodeModel('model.onnx', changedBytes(file(fragile, 'model.onnx'), random)))
        describeModel(model)
        return 'accepted'
      },
    },
    {
      name: 'verification',
      weight: 1,
      try: async (random) => {
        const changed = sealed(fragile, [random.pick(['model.onnx', 'model.onnx', 'bundle.json'])], random)
        await writeArchive(changedPath, changed.files)
        const { ok, gates } = await verifyBundle(changedPath, { timeoutMs: 20_000 })
        return ok ? 'accepted' : (gates.find((gate) => !gate.ok)?.code ?? 'internal')
      },
    },
    {
      name: 'command, Avro',
      weight: 75,
      try: (random) => obey(mutateBytes(frame(schemaId, commandType.toBuffer(command(random))), random)),
    },
    {
      name: 'command, JSON',
      weight: 75,
      try: (random) => {
        const { signature: _, ...json } = command(random)
        return obey(changedJson(bytesOf(json), random))
      },
    },
    {
      name: 'push',
      weight: 20,
      try: async (random) => {
        arrived = undefined
        const push = String(random.between(0, 2 ** 31))
        const about = { ref: fragile.ref, digest: fragile.digest }
        let timestamp = 0
        for await (const chunk of toChunks(archive, about, { push, chunkBytes: random.between(200, 2_000) })) {
          const bad = random.next() < 0.3 ? changedChunk(chunk, random) : chunk
          await assembler.feed({ ...bad, timestamp: timestamp++ })
        }
        await assembler.expire(Number.MAX_SAFE_INTEGER)
        return arrived ?? 'push-incomplete'
      },
    },
    {
      name: 'settings',
      weight: 60,
      try: (random) => {
        parseConfig(mutateTree(config, random))
        return 'accepted'
      },
    },
    {
      name: 'settings file',
      weight: 19,
      try: async (random) => {
        const text = Buffer.from(stringify(config))
        await writeFile(
          configPath,
          random.next() < 0.5 ? mutateBytes(text, random) : stringify(mutateTree(config, random)),
        )
        await loadConfig({ flags: { file: configPath }, environment: {} })
        return 'accepted'
      },
    },
  ]
  return {
    all,
    async close() {
      await assembler.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const changedChunk = (chunk: ChunkRecord, random: Random): ChunkRecord => {
  const choice = random.between(0, 3)
  if (choice === 0) return { ...chunk, value: chunk.value && mutateBytes(chunk.value, random) }
  if (choice === 1) return { ...chunk, key: chunk.key && mutateBytes(chunk.key, random) }
  if (choice === 2) return { ...chunk, value: null }
  const headers = Object.entries(chunk.headers ?? {})
  const changed = headers.map(([name, value]) =>
    random.next() < 0.5 ? [name, value] : [name, mutateBytes(Buffer.from(String(value)), random)],
  )
  return { ...chunk, headers: Object.fromEntries(changed) }
}
