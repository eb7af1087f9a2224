import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { sha256 } from '../../../pipeline/model/bundle-files.js'

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bundle-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export const readerSchema = {
  type: 'record',
  name: 'Scan',
  fields: [
    { name: 'pixels', type: { type: 'array', items: 'float' } },
    { name: 'ink', type: ['null', 'double'], default: null },
  ],
}

/** What a person writes: everything but `files`. */
export const draftManifest = {
  schema: 1,
  name: 'digits',
  version: '1',
  inputs: [{ tensor: 'X', type: 'float32', shape: [-1, 64], fields: ['pixels', { field: 'ink', default: 0 }] }],
  outputs: { label: 'label', scores: 'probabilities' },
}

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** The files of a bundle; the model is not one that loads. */
export function bundleFiles(change: Record<string, unknown> = {}): Map<string, Buffer> {
  const files = new Map([
    ['model.onnx', Buffer.from('not really a model')],
    ['input.avsc', json(readerSchema)],
    ['golden.jsonl', Buffer.from('')],
  ])
  const digests = Object.fromEntries([...files].map(([name, bytes]) => [name, sha256(bytes)]))
  return files.set('bundle.json', json({ ...draftManifest, files: digests, ...change }))
}

export async function writeFolder(folder: string, files: ReadonlyMap<string, Buffer>): Promise<string> {
  await mkdir(folder, { recursive: true })
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes)
  return folder
}
