import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { readBundle } from '../../../pipeline/model/bundle.js'
import { parseDraft } from '../../../pipeline/model/manifest.js'
import { manifestJsonSchema } from '../../../pipeline/model/manifest-schema.js'
import { openStore } from '../../../pipeline/model/store.js'
import { draftManifest, json } from './bundle-fixture.js'

const file = async () => JSON.parse(await readFile('schemas/bundle.schema.json', 'utf8'))

test('the JSON schema that is published is the one of the code (else: node schemas/write.mjs)', async () => {
  expect(await file()).toEqual(manifestJsonSchema())
})

test('it takes what the parser takes: every shipped bundle, every spelling, and a manifest that names it', async () => {
  const schema = z.fromJSONSchema(await file())
  const [input] = draftManifest.inputs
  const spellings = [
    draftManifest,
    { ...draftManifest, $schema: '../schemas/bundle.schema.json' },
    { ...draftManifest, inputs: [{ ...input, type: 'float', shape: [null, 64] }] },
    { ...draftManifest, inputs: [{ ...input, type: 'float32', shape: [64] }], outputs: { values: ['a', 'b'] } },
    { ...draftManifest, outputs: { values: { a: 'tensor' } } },
    { ...draftManifest, stages: { inference: { class: 'firm', budgetMs: { 1: 2, 512: 20 } } } },
  ]
  for (const manifest of spellings) {
    expect(() => parseDraft(json(manifest))).not.toThrow()
    expect(schema.safeParse(manifest).error?.issues).toBeUndefined()
  }
  for (const { path } of await openStore('models/bundles').list()) {
    const { files } = await readBundle(path)
    expect(schema.safeParse(JSON.parse(files.get('bundle.json')!.toString())).error?.issues).toBeUndefined()
  }
})

test.each([
  ['a misspelt key', { ouputs: {} }],
  ['an unknown type', { inputs: [{ ...draftManifest.inputs[0], type: 'float16' }] }],
  ['a field that is a number', { inputs: [{ ...draftManifest.inputs[0], fields: [1] }] }],
  ['an open dimension inside', { inputs: [{ ...draftManifest.inputs[0], shape: [null, 3, null] }] }],
  ['a digest that is none', { files: { 'model.onnx': 'abc' } }],
  ['a class that does not exist', { stages: { inference: { class: 'fast', budgetMs: 1, perRecords: 1 } } }],
])('it marks %s', async (_, change) => {
  expect(z.fromJSONSchema(await file()).safeParse({ ...draftManifest, ...change }).success).toBe(false)
})
