/** What the fuzz begins with: sound bundles, models of many exporters, settings. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bundle, readBundle } from '../../pipeline/model/bundle.js'
import { storeFragileModel } from '../fixtures/fragile-model.js'

export interface Corpus {
  /** for what has to be a file; goes with the corpus */
  readonly directory: string
  readonly bundles: Readonly<Record<string, Bundle>>
  /** by file name */
  readonly models: Readonly<Record<string, Buffer>>
  /** a `.tar.gz` of `fragile@1` */
  readonly archive: Buffer
  close(): Promise<void>
}

const exported = ['test/fixtures/exported', 'test/fixtures/onnx']

export async function openCorpus(): Promise<Corpus> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'))
  await storeFragileModel(directory)
  const archive = join(directory, 'fragile@1.tar.gz')
  const paths = [archive, ...['digits@1', 'biopsy@1'].map((ref) => `models/bundles/${ref}.tar.gz`)]
  const bundles = await Promise.all(paths.map((path) => readBundle(path)))
  const models = new Map(bundles.map(({ ref, files }) => [`${ref}.onnx`, files.get('model.onnx')!]))
  for (const folder of exported)
    for (const name of (await readdir(folder)).filter((one) => one.endsWith('.onnx')))
      models.set(name, await readFile(join(folder, name)))
  return {
    directory,
    bundles: Object.fromEntries(bundles.map((bundle) => [bundle.ref, bundle])),
    models: Object.fromEntries(models),
    archive: await readFile(archive),
    close: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Every setting that has a form of its own. */
export const settings = {
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
