/** Bundles: their models, their archives, their way over a topic, and the child process in which they are tried. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { writeArchive } from '../../pipeline/model/archive.js'
import { createAssembler } from '../../pipeline/model/assembler.js'
import { type Bundle, readBundle, toBundle } from '../../pipeline/model/bundle.js'
import { type ChunkRecord, toChunks } from '../../pipeline/model/chunks.js'
import { fitGraphs } from '../../pipeline/model/fit-graphs.js'
import { decodeModel, describeModel } from '../../pipeline/model/onnx.js'
import { sealFiles } from '../../pipeline/model/pack.js'
import { rewire } from '../../pipeline/model/rewire.js'
import { openStore } from '../../pipeline/model/store.js'
import { verifyBundle } from '../../pipeline/model/verifier.js'
import { type ByteChange, bitFlips, byteChanges, changeBytes } from './change-bytes.js'
import { changeModel, type ModelChange, modelChange } from './change-graph.js'
import { changeJson, type JsonChange, jsonChange } from './change-tree.js'
import type { Corpus } from './corpus.js'
import { kind } from './document-kinds.js'
import type { Kind } from './fuzz.js'
import type { Outcome } from './tally.js'

interface BundleChange {
  readonly manifest?: JsonChange
  readonly schema?: JsonChange
  readonly golden?: readonly ByteChange[]
  readonly model?: ModelChange
}

/** A bundle with some of its files changed, and a manifest that says so: digests keep nothing out. */
const sealed = (bundle: Bundle, { manifest, schema, golden, model }: BundleChange): Bundle => {
  const files = new Map(bundle.files)
  const change = (name: string, how: (bytes: Buffer) => Buffer) => files.set(name, how(files.get(name)!))
  if (manifest) change('bundle.json', (bytes) => changeJson(bytes, manifest))
  if (schema) change('input.avsc', (bytes) => changeJson(bytes, schema))
  if (golden) change('golden.jsonl', (bytes) => changeBytes(bytes, golden))
  if (model) change('model.onnx', (bytes) => changeModel(bytes, model))
  return sealFiles('changed', files)
}

export function bundleKinds({ bundles, models, archive, directory }: Corpus): {
  kinds: Kind[]
  close(): Promise<void>
} {
  const ofBundle = fc.constantFrom(...Object.keys(bundles))
  const tar = gunzipSync(archive)
  const changedPath = join(directory, 'changed.tar.gz')
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
  const fragile = bundles['fragile@1']!
  let pushes = 0

  const kinds: Kind[] = [
    kind({
      name: 'archive',
      weight: 100,
      inputs: fc.record({ inside: fc.boolean(), changes: byteChanges }),
      async judge({ inside, changes }) {
        const bytes = inside ? gzipSync(changeBytes(tar, changes), { level: 1 }) : changeBytes(archive, changes)
        await writeFile(changedPath, bytes)
        await readBundle(changedPath)
        return 'accepted'
      },
    }),
    kind({
      name: 'bundle',
      weight: 100,
      inputs: fc.oneof(
        fc.record({ of: ofBundle, manifest: jsonChange }),
        fc.record({ of: ofBundle, schema: jsonChange }),
        fc.record({ of: ofBundle, model: modelChange }),
        fc.record({ of: ofBundle, manifest: jsonChange, schema: jsonChange, golden: bitFlips, model: modelChange }),
      ),
      judge({ of, ...change }) {
        fitGraphs(toBundle('changed', sealed(bundles[of]!, change).files))
        return 'accepted'
      },
    }),
    kind({
      name: 'ONNX file',
      weight: 100,
      inputs: fc.record({ of: fc.constantFrom(...Object.keys(models)), change: modelChange }),
      judge({ of, change }) {
        describeModel(rewire(decodeModel(of, changeModel(models[of]!, change))).model)
        return 'accepted'
      },
    }),
    kind({
      name: 'verification',
      weight: 25,
      // The digests are right and the bundle is sound but for its model: that is for the child process to find out.
      inputs: fc.record({ of: ofBundle, model: modelChange }),
      async judge({ of, ...change }, reached) {
        await writeArchive(changedPath, sealed(bundles[of]!, change).files)
        const limits = { timeoutMs: 20_000, memoryMb: 512, batchSizes: [1, 8], latency: false }
        const { ok, gates } = await verifyBundle(changedPath, limits)
        const load = gates.find(({ gate }) => gate === 'load')
        if (load) reached('load')
        if (load?.ok) reached('run')
        return ok ? 'accepted' : (gates.find((gate) => !gate.ok)?.code ?? 'internal')
      },
    }),
    kind({
      name: 'push',
      weight: 20,
      inputs: fc.record({ chunkBytes: fc.integer({ min: 200, max: 2_000 }), changes: fc.array(chunkChange) }),
      async judge({ chunkBytes, changes }) {
        arrived = undefined
        const about = { ref: fragile.ref, digest: fragile.digest }
        const chunks: ChunkRecord[] = []
        for await (const chunk of toChunks(archive, about, { push: `push-${pushes++}`, chunkBytes })) chunks.push(chunk)
        for (const { chunk, ...change } of changes) {
          const at = chunk % chunks.length
          chunks[at] = changeChunk(chunks[at]!, change)
        }
        for (const [timestamp, chunk] of chunks.entries()) await assembler.feed({ ...chunk, timestamp })
        await assembler.expire(Number.MAX_SAFE_INTEGER)
        return arrived ?? 'push-incomplete'
      },
    }),
  ]
  return { kinds, close: () => assembler.close() }
}

const parts = ['value', 'key', 'no value', 'headers'] as const
const chunkChange = fc.record({ chunk: fc.nat(100), part: fc.constantFrom(...parts), changes: byteChanges })

const changeChunk = (
  chunk: ChunkRecord,
  { part, changes }: { part: (typeof parts)[number]; changes: readonly ByteChange[] },
): ChunkRecord => {
  if (part === 'value') return { ...chunk, value: chunk.value && changeBytes(chunk.value, changes) }
  if (part === 'key') return { ...chunk, key: chunk.key && changeBytes(chunk.key, changes) }
  if (part === 'no value') return { ...chunk, value: null }
  // Each header gets one of the changes.
  const headers = Object.entries(chunk.headers ?? {}).map(([name, value], index) => {
    const change = changes[index]
    return [name, change ? changeBytes(Buffer.from(String(value)), [change]) : value] as const
  })
  return { ...chunk, headers: Object.fromEntries(headers) }
}
